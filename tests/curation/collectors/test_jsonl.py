"""The user's own records, line by line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bundle.errors import SourceError
from curation.collectors.jsonl import MAX_LINE, JsonlCollector
from curation.entries import Dropped, Origin, RecordEntry
from curation.settings import JsonlSource

GOOD = {"instruction": "How?", "output": "So."}


def collect(folder: Path, *lines: object, name: str = "own.jsonl") -> list[RecordEntry | Dropped]:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    (folder / name).write_text(text, encoding="utf-8")
    return list(JsonlCollector(_source(name), folder).collect())


def _source(path: str) -> JsonlSource:
    return JsonlSource(path=path, packages=("numpy", "pandas"), licence="MIT")


def test_a_line_becomes_a_record(tmp_path: Path) -> None:
    full = {
        **GOOD,
        "input": "x = 1",
        "symbol": "pandas.DataFrame.loc",
        "package": "pandas",
        "licence": "BSD-3-Clause",
        "url": "https://example.org/1",
    }
    [entry, plain] = collect(tmp_path, full, "", GOOD)
    assert entry == RecordEntry(
        origin=Origin(
            source="jsonl",
            package="pandas",
            version="",
            licence="BSD-3-Clause",
            url="https://example.org/1",
            written=True,
        ),
        instruction="How?",
        input="x = 1",
        output="So.",
        symbol="pandas.DataFrame.loc",
    )
    assert (plain.origin.package, plain.origin.licence, plain.origin.url) == ("numpy", "MIT", "own.jsonl:3")  # type: ignore[union-attr]


def test_the_package_is_the_symbols(tmp_path: Path) -> None:
    [entry] = collect(tmp_path, {**GOOD, "symbol": "pandas.concat"})
    assert isinstance(entry, RecordEntry)
    assert entry.origin.package == "pandas"


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        ("{", "line: Invalid JSON"),
        ("[]", "line: "),
        ("\x00", "line: Invalid JSON"),
        ('{"instruction": "\ud800"}'.encode("utf-8", "surrogatepass").decode("latin-1"), "output: Field required"),
        ({"instruction": "How?"}, "output: Field required"),
        ({**GOOD, "output": 3}, "output: Input should be a valid string"),
        ({**GOOD, "output": ""}, "output: "),
        ({**GOOD, "promt": "x"}, "promt: no such key; known are"),
        ({**GOOD, "outptu": "x"}, "outptu: no such key; did you mean output?"),
        ({**GOOD, "symbol": "a b"}, "symbol: "),
        ({**GOOD, "package": "scipy"}, "package: scipy is not among"),
        ("[" * 100_000, "line: "),
    ],
)
def test_a_bad_line_is_told_with_its_number_and_the_rest_goes_on(tmp_path: Path, line: object, detail: str) -> None:
    first, bad, last = collect(tmp_path, GOOD, line, GOOD)
    assert isinstance(first, RecordEntry)
    assert isinstance(last, RecordEntry)
    assert isinstance(bad, Dropped)
    assert (bad.code, bad.where) == ("invalid-entry", "own.jsonl:2")
    assert bad.detail.startswith(detail)


def test_a_line_without_an_end_is_not_held(tmp_path: Path) -> None:
    long = {**GOOD, "output": "x" * (3 * MAX_LINE)}
    dropped, entry = collect(tmp_path, long, GOOD)
    assert isinstance(dropped, Dropped)
    assert (dropped.code, dropped.where) == ("too-large", "own.jsonl:1")
    assert isinstance(entry, RecordEntry)
    assert entry.origin.url == "own.jsonl:2"


def test_a_folder_is_read_in_order_and_a_byte_order_mark_is_no_harm(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_bytes(b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\r\n")
    (tmp_path / "a.jsonl").write_text(json.dumps({**GOOD, "instruction": "First?"}))
    found = list(JsonlCollector(_source("."), tmp_path).collect())
    assert [one.instruction for one in found if isinstance(one, RecordEntry)] == ["First?", "How?"]


@pytest.mark.parametrize("path", ["none.jsonl", ".", "empty.jsonl"])
def test_what_is_not_there_or_empty_is_one_line(tmp_path: Path, path: str) -> None:
    (tmp_path / "empty.jsonl" if path.startswith("empty") else tmp_path / "other.txt").write_text("\n")
    with pytest.raises(SourceError, match="look at `path`") as caught:
        list(JsonlCollector(_source(path), tmp_path).collect())
    assert "\n" not in str(caught.value)
