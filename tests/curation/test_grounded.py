"""Records with documentation before the question: the right passage among others, missing, or about nothing real."""

from __future__ import annotations

from pathlib import Path

import pytest

from bundle.documentation import write_index
from bundle.passages import DOCUMENTATION, Passage
from bundle.records import Provenance, Record
from curation.grounded import ground_records
from curation.settings import Grounded
from curation.split import is_held_out
from symbols.introspect import walk_packages
from symbols.table import SymbolTable

HELD_OUT = 0.3
NAMES = [f"json.collect_parts_{number}" for number in range(60)]


def record(symbol: str) -> Record:
    provenance = Provenance(source="", package="json", version="1", symbol=symbol, kind="usage", licence="")
    return Record(instruction=f"How do I use {symbol}?", output=f"Call `{symbol}`.", provenance=provenance)


@pytest.fixture(scope="module")
def table() -> SymbolTable:
    walk = walk_packages(["json"])
    for _ in walk:
        pass
    return walk.table


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dataset")
    write_index(
        folder / DOCUMENTATION,
        [
            Passage(symbol=name, title=name, kind="function", summary=f"Use {name}.", package="json", version="1")
            for name in NAMES
        ],
    )
    return folder


RECORDS = [record(name) for name in NAMES if not is_held_out(name, HELD_OUT)]


def test_without_a_share_nothing_changes(dataset: Path, table: SymbolTable) -> None:
    assert ground_records(RECORDS, dataset, table, Grounded(), HELD_OUT) == RECORDS


def test_the_share_has_its_passage_and_nothing_held_out(dataset: Path, table: SymbolTable) -> None:
    made = ground_records(RECORDS, dataset, table, Grounded(share=0.5, missing=0), HELD_OUT)
    assert made == ground_records(RECORDS, dataset, table, Grounded(share=0.5, missing=0), HELD_OUT)
    grounded = [one for one in made if one.documentation]
    assert 0.3 < len(grounded) / len(made) < 0.7
    for before, after in zip(RECORDS, made, strict=True):
        assert (before.question, before.output, before.provenance) == (after.question, after.output, after.provenance)
        assert (before.digest == after.digest) == (not after.documentation)
    for one in grounded:
        assert f"[1] {one.provenance.symbol} (json 1)" in one.message and one.message.endswith(
            f"Question: {one.question}"
        )
        assert not any(f"Use {name}." in one.documentation for name in NAMES if is_held_out(name, HELD_OUT))


def test_what_is_not_covered_is_said_to_be_not(dataset: Path, table: SymbolTable) -> None:
    made = ground_records(RECORDS, dataset, table, Grounded(share=1, missing=0.99), HELD_OUT)
    changed = [one for one in made if one.output.startswith("The documentation does not cover `")]
    assert len(changed) > len(made) / 2
    for one in changed:
        name = one.output.split("`")[1]
        assert name != one.provenance.symbol and not table.exists(name)
        assert name in one.question and f"Use {name}." not in one.documentation
        assert f"Not in the documentation: {name}" in one.documentation
        assert f"The nearest in it is `{one.provenance.symbol}`" in one.output
