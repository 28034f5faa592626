"""Looking through a dataset: each record and each rejection with a short name of its own, and what is asked for.

Reads line by line. Knows nothing about how anything is shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bundle.digests import digest_text
from bundle.records import EVAL, REJECTED, TRAIN, Record, Rejection, read_records, read_rejections

SIDES = {"train": TRAIN, "eval": EVAL}
DROPPED = "rejected"
"""The side of what was left out."""
_LETTERS = 10


def name_of(text: str) -> str:
    """Ten letters that stand for a text; letters only, so that no name looks like a number."""
    digest = bytes.fromhex(digest_text(text))
    return "".join(chr(ord("a") + byte % 26) for byte in digest[:_LETTERS])


def record_name(record: Record) -> str:
    """The name of a record: the same as long as its symbol and its question are."""
    return name_of(f"{record.provenance.symbol}\n{record.question}")


@dataclass(frozen=True)
class Item:
    """A record, or something that was left out."""

    side: str
    """`train`, `eval` or `rejected`."""
    record: Record | None
    """None for what was left out before it became a record."""
    rejection: Rejection | None = None

    @property
    def name(self) -> str:
        """Its short name."""
        if self.record:
            return record_name(self.record)
        return name_of(self.rejection.model_dump_json() if self.rejection else "")

    def to_json(self) -> dict[str, Any]:
        """One flat object: the name, the side, the record's fields, and why it was left out."""
        value: dict[str, Any] = {"id": self.name, "side": self.side}
        if self.record:
            value |= self.record.model_dump(mode="json")
        if self.rejection:
            value["reason"] = self.rejection.model_dump(mode="json", exclude={"record"})
        return value


@dataclass(frozen=True)
class Wanted:
    """What is asked for; an empty field asks for nothing."""

    words: tuple[str, ...] = ()
    """Words that all have to be in it, whatever their case."""
    symbol: str = ""
    """The symbol that it is about, or one that holds it: `numpy.linalg` finds `numpy.linalg.norm`."""
    kind: str = ""
    library: str = ""
    side: str = ""

    def matches(self, item: Item) -> bool:
        """Whether an item is what is asked for."""
        if self.side and item.side != self.side:
            return False
        record = item.record
        if record is None:
            text = f"{item.rejection.detail} {item.rejection.where}" if item.rejection else ""
            return not (self.kind or self.library) and _holds(text, (*self.words, self.symbol))
        provenance = record.provenance
        return (
            self.kind in ("", provenance.kind)
            and self.library in ("", provenance.package)
            and (not self.symbol or f"{provenance.symbol}.".startswith(f"{self.symbol}."))
            and _holds(f"{provenance.symbol} {record.question} {record.output}", self.words)
        )


def items(dataset: Path, *, rejected: bool) -> Iterator[Item]:
    """Everything in a dataset: what is kept, and after it what was left out where that is asked for.

    Raises:
        DatasetError: a file is missing or damaged.
    """
    for side, name in SIDES.items():
        for record in read_records(dataset / name):
            yield Item(side, record)
    if rejected:
        for rejection in read_rejections(dataset / REJECTED):
            yield Item(DROPPED, rejection.record, rejection)


def _holds(text: str, words: tuple[str, ...]) -> bool:
    folded = text.casefold()
    return all(word.casefold() in folded for word in words)
