"""Records and their files."""

from __future__ import annotations

from pathlib import Path

import pytest

from bundle.errors import DatasetError
from bundle.records import Provenance, Record, read_records, write_records

ORIGIN = Provenance(
    source="package", package="numpy", version="2", symbol="numpy.sum", kind="usage", licence="BSD-3-Clause"
)


def test_records_come_back_as_they_were(tmp_path: Path) -> None:
    records = [
        Record(instruction="Wie?", output="So: “ü”\n", provenance=ORIGIN),
        Record(instruction="a", input="b", output="c", provenance=ORIGIN),
    ]
    assert write_records(tmp_path / "train.jsonl", records) == 2
    assert list(read_records(tmp_path / "train.jsonl")) == records
    assert records[1].question == "a\n\nb"


def test_a_bad_line_is_named_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    write_records(path, [Record(instruction="a", output="c", provenance=ORIGIN)])
    path.write_text(path.read_text() + '{"instruction": "a"}\n')
    with pytest.raises(DatasetError, match=r"train\.jsonl:2: not a record \(output"):
        list(read_records(path))


def test_a_missing_file_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="boffin curate"):
        list(read_records(tmp_path / "train.jsonl"))
