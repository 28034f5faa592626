"""Questions on which the models of two datasets, A and B, can be compared.

As many that only A holds out as only B does, and the share of those that both hold out; none near anything that either
trains on. Knows nothing about models.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bundle.errors import DatasetError
from bundle.records import Record
from curation.leaks import leaks

A, B, BOTH = "A", "B", "both"


@dataclass(frozen=True)
class HeldOut:
    """The questions for both models."""

    records: Sequence[Record]
    origins: Mapping[str, str]
    """Question → who holds it out: `A`, `B` or `both`."""
    counts: Mapping[str, Mapping[str, int]]
    """Who holds out → how many records there were, leaked, were left, are asked."""


def choose(trained: Sequence[Record], a: Sequence[Record], b: Sequence[Record], count: int, seed: int) -> HeldOut:
    """Choose up to `count` of the records that A and B hold out; the records' order doesn't matter.

    A record leaks that is near one of `trained`, all that A and B train on. A question that the two answer in other
    words is asked once.

    Raises:
        DatasetError: nothing is left to ask.
    """
    by_side = {A: {_text(record): record for record in a}, B: {_text(record): record for record in b}}
    parts = {
        A: by_side[A].keys() - by_side[B].keys(),
        B: by_side[B].keys() - by_side[A].keys(),
        BOTH: by_side[A].keys() & by_side[B].keys(),
    }
    leaked = {_text(leak.record) for leak in leaks(trained, [*a, *b])}
    chance = random.Random(seed)
    left = {name: sorted(texts - leaked) for name, texts in parts.items()}
    for texts in left.values():
        chance.shuffle(texts)
    pairs = list(_pairs(left[A], left[B]))
    total = 2 * len(pairs) + len(left[BOTH])
    if not total:
        raise DatasetError("no record that A or B holds out is fit to measure both; curate more of them")
    each = min(count, total) * len(pairs) // total
    chosen = {A: [one for one, _ in pairs[:each]], B: [other for _, other in pairs[:each]]}
    asked = {question for texts in chosen.values() for question, _ in texts}
    chosen[BOTH] = [text for text in left[BOTH] if text[0] not in asked][: count - 2 * each]
    texts = [text for part in chosen.values() for text in part]
    chance.shuffle(texts)
    every = by_side[A] | by_side[B]
    return HeldOut(
        [every[text] for text in texts],
        {question: name for name, part in chosen.items() for question, _ in part},
        {
            name: {
                "held out": len(part),
                "leaked": len(part & leaked),
                "left": len(left[name]),
                "asked": len(chosen[name]),
            }
            for name, part in parts.items()
        },
    )


def _text(record: Record) -> tuple[str, str]:
    return record.question, record.output


def _pairs(a: Sequence[tuple[str, str]], b: Sequence[tuple[str, str]]) -> Iterator[tuple[tuple[str, str], ...]]:
    """One of each, no question twice, until one side has no more."""
    asked: set[str] = set()
    sides = [iter(a), iter(b)]
    while True:
        pair = []
        for side in sides:
            text = next((text for text in side if text[0] not in asked), None)
            if text is None:
                return
            asked.add(text[0])
            pair.append(text)
        yield tuple(pair)
