"""The README's commands are real: make targets exist, boffin's commands parse, the example project is valid."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from boffin.cli import app
from boffin.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
LINES = [shlex.split(line, comments=True) for block in BLOCKS for line in block.splitlines() if line.strip()]


def test_the_two_commands_come_first() -> None:
    assert LINES[:2] == [["make", "demo"], ["make", "test"]]


@pytest.mark.parametrize("line", [line for line in LINES if line[0] == "make"], ids=" ".join)
def test_make_targets_exist(line: list[str]) -> None:
    plan = subprocess.run(["make", "--dry-run", *line[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert plan.returncode == 0, plan.stderr


@pytest.mark.parametrize("line", [line for line in LINES if line[0] == "boffin"], ids=" ".join)
def test_boffin_commands_parse(line: list[str]) -> None:
    group, rest = get_command(app), line[1:]
    while hasattr(group, "resolve_command"):
        name, group, rest = group.resolve_command(group.make_context("boffin", list(rest)), list(rest))
        assert group is not None
    assert group.make_context(name, list(rest)).params


def test_init_writes_what_the_readme_says(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "boffin", "init", str(tmp_path / "my-expert"), "--template", "pocket"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "boffin build -C" in run.stdout
    assert load_settings(tmp_path / "my-expert", (), {}).project.name == "my-expert"


def test_the_demo_is_a_valid_project() -> None:
    assert load_settings(ROOT / "examples" / "pocket", (), {}).project.name == "pocket"
