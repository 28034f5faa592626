"""The two sides of a dataset: what is trained on, and what is held out.

A record's side is decided by a hash of its group's name alone, and its group is its symbol. So a record never changes
sides as the corpus grows, and no symbol is on both sides. Code can be on both: two symbols may share an example, or
have examples that are nearly alike. To put all that is linked on one side would need the connected components of
symbols and codes; but one new record can join two components of different sides, and then one of them has to change
over: what a model was trained on would become what it is examined with. So the symbol decides alone, and of what is
linked across the sides the held-out record is dropped (`leak`). The price is a few per cent of the held-out records;
training loses none to it. A record that was held out can be dropped when the corpus grows, never trained on.

Knows nothing about files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bundle.records import Record
from curation.leaks import group, leaks
from curation.reason import Reason


@dataclass(frozen=True)
class Split:
    """Records on two sides that share nothing; each in the order in which they came."""

    train: list[Record]
    held_out: list[Record]
    leaked: list[tuple[Record, Reason]]
    """What had to go for it, with the reason `leak`."""


def position(name: str, salt: str) -> float:
    """A number from 0 up to 1 that depends on the name and the salt alone."""
    return int.from_bytes(hashlib.sha256(f"{salt} {name}".encode()).digest()[:8], "big") / 2**64


def is_held_out(name: str, share: float) -> bool:
    """Whether a group's records are held out, where this share of all groups is."""
    return position(name, "held out") < share


def split(records: Sequence[Record], share: float, similarity: float = 0.85, suite: Collection[str] = ()) -> Split:
    """Put each record on its side, and take out what links the sides.

    Args:
        records: what is kept.
        share: the share of the groups that is held out.
        similarity: from what on two records are near duplicates.
        suite: texts of an evaluation suite; what is near one of them is on neither side.
    """
    train = [record for record in records if not is_held_out(group(record), share)]
    held_out = [record for record in records if is_held_out(group(record), share)]
    found = leaks(train, held_out, suite, similarity)
    gone = {id(leak.record) for leak in found}
    return Split(
        [record for record in train if id(record) not in gone],
        [record for record in held_out if id(record) not in gone],
        [(leak.record, leak.reason) for leak in found],
    )
