"""A project whose dataset is built already, to train in through the front door."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from boffin.workspace import Stamp, write_stamp
from bundle.atomic import published_folder
from bundle.records import EVAL, TRAIN, Provenance, Record, write_records

ORIGIN = Provenance(source="package", package="numpy", version="2", symbol="numpy.sum", kind="usage", licence="BSD")
PROJECT = """
[project]
name = "mini"
base = "{base}"

[[curation.sources]]
kind = "package"
packages = ["json"]

[trainer]
recipe = "mine.toml"
"""


def _write_dataset(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    records = [
        Record(instruction=f"How do I use {'f' * number}?", output=f"Call `f{number}()`.", provenance=ORIGIN)
        for number in range(1, 21)
    ]
    write_records(folder / TRAIN, records[:16])
    write_records(folder / EVAL, records[16:])


@pytest.fixture(scope="session")
def write_dataset() -> Callable[[Path], None]:
    """Writes sixteen records to train on and four held-out ones into a folder."""
    return _write_dataset


@pytest.fixture
def make_project(tmp_path: Path, make_base: Callable[..., Path]) -> Callable[[str], Path]:
    """Makes a project with a tiny base and that dataset, from the text of its recipe."""

    def make(recipe: str) -> Path:
        (tmp_path / "boffin.toml").write_text(PROJECT.format(base=make_base()))
        (tmp_path / "mine.toml").write_text(f'description = "test"\n{recipe}\n')
        with published_folder(tmp_path / "workspace" / "dataset") as folder:
            _write_dataset(folder)
            stamp = Stamp(
                stage="curate", inputs={}, content="x", came_in="", went_out="", seconds=0, finished=datetime.now(UTC)
            )
            write_stamp(folder, stamp)
        return tmp_path

    return make
