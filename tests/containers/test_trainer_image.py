"""The trainer's image, run under a Docker Engine: ten records curated and two steps taken, without rights or network.

Skipped where there is no engine or no image: `make images` builds it.
TRAINER_IMAGE names another.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.containers.conftest import TRAINING, need

IMAGE = os.environ.get("TRAINER_IMAGE", "boffin-trainer")


@pytest.fixture(scope="module", autouse=True)
def image() -> None:
    need(IMAGE)


def docker(*arguments: str) -> str:
    command = ["docker", "run", "--rm", "--network", "none", "--cap-drop", "ALL"]
    command += ["--security-opt", "no-new-privileges:true", "--env", "HOME=/tmp"]
    command += ["--user", f"{os.getuid()}:{os.getgid()}"]
    run = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def test_it_curates_ten_records_and_takes_two_steps(tmp_path: Path, make_base: Callable[..., Path]) -> None:
    (tmp_path / "boffin.toml").write_text(TRAINING)
    shutil.copytree(make_base(), tmp_path / "base")
    stage = ("--volume", f"{tmp_path}:/project", IMAGE)
    docker(*stage, "curate")
    docker(*stage, "train")
    dataset, adapter = tmp_path / "workspace" / "dataset", tmp_path / "workspace" / "adapter"
    assert sum(len((dataset / f"{side}.jsonl").read_text().splitlines()) for side in ("train", "eval")) == 10
    assert json.loads((adapter / "summary.json").read_text())["steps"] == 2
    assert (adapter / "adapter_model.safetensors").stat().st_size > 0


def test_what_contains_the_examples_is_in_it() -> None:
    assert docker("--entrypoint", "bwrap", IMAGE, "--version").startswith("bubblewrap")
