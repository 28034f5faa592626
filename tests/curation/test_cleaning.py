"""Many drafts are cleaned in a second process, and come out as they would in the first."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bundle.records import Provenance
from curation.cleaning import Drafted, write_cleaned
from curation.draft import Draft
from curation.settings import Filters
from symbols.table import SymbolTable

MANY = 1200


@pytest.fixture
def drafts() -> list[Draft]:
    draft = Draft(
        instruction="",
        lead="`math.sqrt` returns the square root of the number x.",
        code="import math\n\nprint(math.sqrt(9))",
        points=("`x`: The number.",),
        provenance=Provenance(
            source="package", package="stdlib", version="3.11", symbol="math.sqrt", kind="usage", licence="PSF-2.0"
        ),
    )
    wrong = replace(draft, code="import math\n\nprint(math.sqrrt(9), math.sqrt(9))")
    asked = [replace(wrong if number % 7 == 0 else draft, instruction=f"Root {number}?") for number in range(MANY)]
    asked[-1] = replace(draft, instruction="Does anna.kowalska@gmail.com know the root?")
    return asked


def cleaned(drafts: Sequence[Draft], table: SymbolTable, path: Path) -> bytes:
    with path.open("wb") as file:
        write_cleaned(drafts, Filters(), table, file)
    return path.read_bytes()


def test_many_come_out_as_few_do(drafts: list[Draft], table: SymbolTable, tmp_path: Path) -> None:
    together = cleaned(drafts, table, tmp_path / "together")
    apart = [cleaned(drafts[start : start + 400], table, tmp_path / "apart") for start in range(0, MANY, 400)]
    assert together == b"".join(apart)
    found = [Drafted.model_validate_json(line) for line in together.splitlines()]
    assert [one.reason.code if one.reason else "" for one in found[:8]] == [
        "unknown-symbol",
        *[""] * 6,
        "unknown-symbol",
    ]
    assert found[-1].masked == ("e-mail address",)


def test_a_second_process_that_fails_is_no_short_file(
    drafts: list[Draft], table: SymbolTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match="cleaning ended with 1"):
        cleaned(drafts, table, tmp_path / "file")
