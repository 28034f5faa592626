"""What each room may import: a fresh interpreter imports every module of the room, and sys.modules is looked at.

The contracts in pyproject.toml say the same of the source text; this sees what really happens.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"torch", "transformers", "peft", "trl", "bitsandbytes", "datasets", "llama_cpp", "textual"}
STAGES = {"curation", "trainer", "convert", "evaluation", "appliance"}
ROOMS = STAGES | {"boffin", "boffin_sphinx", "bundle", "sandbox", "symbols"}
LEAVES = {"bundle", "sandbox", "symbols"}

FORBIDDEN = {
    "bundle": HEAVY | (ROOMS - {"bundle"}) | {"numpy", "httpx", "rich"},
    "sandbox": HEAVY | (ROOMS - {"sandbox"}) | {"numpy", "pydantic"},
    "symbols": HEAVY | (ROOMS - {"symbols"}) | {"numpy"},
    "curation": {"torch", "llama_cpp", "textual"} | (STAGES - {"curation"}) | {"boffin"},
    "trainer": {"llama_cpp", "textual"} | (STAGES - {"trainer"}) | {"boffin", "sandbox", "symbols"},
    "convert": {"textual", "trl"} | (STAGES - {"convert"}) | {"boffin", "sandbox", "symbols"},
    "evaluation": {"torch", "llama_cpp", "textual"} | (STAGES - {"evaluation"}) | {"boffin"},
    "appliance": (HEAVY - {"llama_cpp", "textual"}) | (STAGES - {"appliance"}) | {"boffin", "sandbox"},
    "appliance.conversations": HEAVY | {"httpx", "fastapi", "rich"},
    "appliance.tui": HEAVY - {"textual"} | {"appliance.engine", "appliance.server"},
    "appliance.server.__main__": {"textual", "appliance.tui"},
    "boffin": HEAVY,
    "boffin_sphinx": HEAVY | (ROOMS - {"boffin_sphinx"}) | {"pydantic", "httpx"},
}

IMPORT_ALL = """
import importlib, pkgutil, sys
top = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(getattr(top, "__path__", []), sys.argv[1] + "."):
    if not module.name.endswith("__main__") and module.name not in sys.argv[2:]:
        importlib.import_module(module.name)
print("\\n".join(sys.modules))
"""
# Scripts that are run by path in another interpreter, never imported.
SCRIPTS = ["symbols.worker"]
# What only the extra `web` brings the packages for.
MISSING = [] if importlib.util.find_spec("textual_serve") else ["appliance.tui.browser"]


@pytest.mark.parametrize("room", FORBIDDEN)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, room, *SCRIPTS, *MISSING],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert run.returncode == 0, run.stderr
    loaded = set(run.stdout.split())
    assert room in loaded
    assert not loaded & FORBIDDEN[room]


def test_the_contracts_know_every_room() -> None:
    configured = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"]
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert set(configured) == packages == ROOMS


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "sys.argv = ['boffin', '--help']\n"
        "from boffin.cli import app\n"
        "try:\n    app()\nexcept SystemExit:\n    pass\n"
        "print('LOADED', *sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    shown, _, loaded = run.stdout.partition("LOADED")
    assert "Commands:" in shown
    assert not set(loaded.split()) & (HEAVY | {"pydantic", "httpx", "numpy", *STAGES})
