"""What differs between two versions of a dataset: added, changed and removed, by symbol and question.

A record is the same one as long as its symbol and its question are. Knows nothing about how it is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bundle.records import Record
from curation.answer import code_of, normalised, prose_of
from curation.browse import Item, items, record_name


@dataclass(frozen=True)
class Change:
    """A record whose answer is another one now."""

    old: Item
    new: Item
    parts: tuple[str, ...]
    """What changed: `prose`, `code`, or `output`, where only what the code prints did; `side`, which never should."""


@dataclass(frozen=True)
class Difference:
    """Two versions compared; lists are sorted by symbol and question."""

    old: int
    """Records of the old version."""
    new: int
    """Records of the new version."""
    added: list[Item]
    changed: list[Change]
    removed: list[Item]
    symbols_added: list[str]
    symbols_removed: list[str]
    versions: dict[str, tuple[str, str]]
    """Libraries whose version differs: the old one and the new one, empty where there is none."""

    def to_json(self) -> dict[str, Any]:
        """All of it as one JSON value."""
        return {
            "records": {"old": self.old, "new": self.new},
            "versions": {name: {"old": old, "new": new} for name, (old, new) in self.versions.items()},
            "symbols": {"added": self.symbols_added, "removed": self.symbols_removed},
            "added": [_told(item) for item in self.added],
            "changed": [{**_told(change.new), "parts": list(change.parts)} for change in self.changed],
            "removed": [_told(item) for item in self.removed],
        }


def compare(old: Path, new: Path) -> Difference:
    """Compare two dataset folders.

    Raises:
        DatasetError: a file of either is missing or damaged.
    """
    before, after = ({item.name: item for item in items(folder, rejected=False)} for folder in (old, new))
    changes = (_change(before[name], item) for name, item in after.items() if name in before)
    symbols = [{_record(item).provenance.symbol for item in side.values()} - {""} for side in (before, after)]
    versions = [
        {_record(item).provenance.package: _record(item).provenance.version for item in side.values()}
        for side in (before, after)
    ]
    return Difference(
        old=len(before),
        new=len(after),
        added=sorted((item for name, item in after.items() if name not in before), key=_order),
        changed=sorted((change for change in changes if change.parts), key=lambda change: _order(change.new)),
        removed=sorted((item for name, item in before.items() if name not in after), key=_order),
        symbols_added=sorted(symbols[1] - symbols[0]),
        symbols_removed=sorted(symbols[0] - symbols[1]),
        versions={
            name: (versions[0].get(name, ""), versions[1].get(name, ""))
            for name in sorted({*versions[0], *versions[1]})
            if versions[0].get(name) != versions[1].get(name)
        },
    )


def _change(old: Item, new: Item) -> Change:
    one, other = _record(old), _record(new)
    code, other_code = code_of(one), code_of(other)
    parts = []
    if prose_of(one) != prose_of(other):
        parts.append("prose")
    if code != other_code:
        parts.append("output" if normalised(code) == normalised(other_code) else "code")
    if old.side != new.side:
        parts.append("side")
    return Change(old, new, tuple(parts))


def _record(item: Item) -> Record:
    assert item.record is not None, "what is kept is a record"
    return item.record


def _order(item: Item) -> tuple[str, str]:
    return _record(item).provenance.symbol, _record(item).question


def _told(item: Item) -> dict[str, str]:
    record = _record(item)
    return {"id": record_name(record), "symbol": record.provenance.symbol, "question": record.question}
