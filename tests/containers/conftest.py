"""What the tests of running images share: `docker`, and the demo's bundle. Each is skipped where its parts aren't."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OWNER = (os.getuid() or 1000, os.getgid() or 1000)
"""Who the containers run as: whoever runs the tests, but never root."""
TRAINING = """
[project]
name = "mini"
base = "base"

[curation]
max_records = 10

[[curation.sources]]
kind = "package"
packages = ["json", "textwrap", "statistics"]

[trainer]
recipe = "smollm2-135m-cpu"
max_steps = 2
allow_too_long = 0.5   # a record that the recipe has no room for is no fault of the image
"""
"""A project whose training takes seconds; its base model lies beside it."""


def docker(*arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **(environment or {})}
    return subprocess.run(["docker", *arguments], env=env, cwd=ROOT, capture_output=True, text=True, check=False)


def done(run: subprocess.CompletedProcess[str]) -> str:
    """What a command printed that has to have worked."""
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout.strip()


def need(*images: str) -> None:
    """Skip the tests if an image isn't here: `make images` builds ours."""
    if not shutil.which("docker"):
        pytest.skip("there is no docker command")
    for image in images:
        if docker("image", "inspect", image).returncode:
            pytest.skip(f"there is no engine, or it has no image {image}")


def give(*paths: Path) -> None:
    """Make files those of `OWNER`, if root runs the tests."""
    if os.getuid() == 0:
        for top in paths:
            for path in (top, *top.rglob("*")):
                os.chown(path, *OWNER, follow_symlinks=False)


@pytest.fixture(scope="session")
def pocket_bundle() -> Path:
    """The demo's bundle, or the one that TEST_BUNDLE names."""
    bundle = Path(os.environ.get("TEST_BUNDLE", ROOT / "examples/pocket/workspace/bundle"))
    if not (bundle / "manifest.json").is_file():
        pytest.skip(f"there is no bundle {bundle}: `make demo` builds it")
    return bundle.resolve()
