"""Passages of the index: which example each of them shows, and that the documentation's own can be run as it stands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bundle.passages import Passage
from bundle.records import Provenance, Record
from curation.entries import ApiEntry
from curation.passages import examples, passages
from symbols.table import SymbolTable

SQRT = """
Return the square root of x.

>>> import math
>>> sqrt(-1)
Traceback (most recent call last):
ValueError: math domain error
>>> x = 16
>>> math.sqrt(x)
4.0
>>> math.floor(2.5)
2
>>> math.sqrt(x + 9)
5.0
""".strip()


def record(kind: str, code: str, symbol: str = "math.sqrt") -> Record:
    about = Provenance(source="", package="stdlib", version="3", symbol=symbol, kind=kind, licence="")
    return Record(instruction="How?", output=f"So.\n\n```python\n{code}\n```", provenance=about)


@pytest.fixture
def made(tmp_path: Path, table: SymbolTable) -> Callable[..., Passage]:
    def make(*entries: ApiEntry, verified: dict[str, str] | None = None) -> Passage:
        corpus = tmp_path / "corpus.jsonl"
        corpus.write_text("".join(entry.model_dump_json() + "\n" for entry in entries))
        return passages(corpus, verified or {}, table)[-1]

    return make


def test_the_documentations_own_example_is_complete(
    made: Callable[..., Passage], entry: Callable[..., ApiEntry]
) -> None:
    found = made(entry(docstring=SQRT))
    assert not found.verified
    assert found.example == "import math\n\nx = 16\nprint(math.sqrt(x))\nprint(math.sqrt(x + 9))"
    exec(compile(found.example, "example", "exec"), {})


def test_an_import_that_is_taken_for_granted_is_there(
    made: Callable[..., Passage], entry: Callable[..., ApiEntry]
) -> None:
    found = made(entry(docstring="Return the square root of x.\n\n>>> sqrt(4)\n2.0"))
    assert found.example == "from math import sqrt\n\nprint(sqrt(4))"


def test_an_example_that_needs_what_is_not_there_stands_as_it_is(
    made: Callable[..., Passage], entry: Callable[..., ApiEntry]
) -> None:
    found = made(entry(docstring="Return the square root of x.\n\n>>> sqrt(given)\n2.0"))
    assert found.example == "sqrt(given)"


def test_one_that_was_run_goes_first(made: Callable[..., Passage], entry: Callable[..., ApiEntry]) -> None:
    found = made(entry(docstring=SQRT), verified={"math.sqrt": "print(2.0)\n# 2.0"})
    assert found.verified and found.example == "print(2.0)\n# 2.0"


@pytest.mark.parametrize("kind", ["difference", "error", "raises", "signature"])
def test_code_that_shows_something_else_is_no_example(kind: str) -> None:
    assert not examples([record(kind, "math.sqrt(1)")])


def test_usage_goes_before_what_is_shorter() -> None:
    shown = examples(
        [record("returns", "sqrt(1)"), record("usage", "print(sqrt(4))\n# 2.0"), record("usage", "long " * 9)]
    )
    assert shown == {"math.sqrt": "print(sqrt(4))\n# 2.0"}
