"""What is used of what a library calls deprecated."""

from __future__ import annotations

from dataclasses import replace

import pytest

from symbols.deprecation import deprecated_names
from symbols.introspect import walk_packages
from symbols.table import SymbolTable


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import zoo\nzoo.feed()", ["zoo.feed"]),
        ("import zoo as z\nz.feed\nz.feed", ["zoo.feed"]),
        ("from zoo import feed", ["zoo.feed"]),
        ("from zoo.old import cage", ["zoo.old"]),
        ("import zoo.old.cage", ["zoo.old"]),
        ("import zoo\nzoo.feeder()\nzoo.count(zoo)", []),
        ("feed()\nzoo.feed()", []),
        ("from . import feed", []),
    ],
)
def test_what_is_used(code: str, found: list[str]) -> None:
    table = SymbolTable({}, frozenset({"zoo"}), {}, frozenset(), [], [], [], [], frozenset({"zoo.feed", "zoo.old"}))
    assert deprecated_names(code, table) == found


def test_a_table_knows_what_its_library_deprecates() -> None:
    walk = walk_packages(["ast"])
    documented = {entry.symbol for entry in walk if entry.deprecated}
    assert walk.table.deprecated == documented and documented
    assert SymbolTable.from_json(walk.table.to_json()).deprecated == documented
    assert replace(walk.table, deprecated=frozenset()).merged(walk.table).deprecated == documented
