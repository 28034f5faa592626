"""Leaks: what links held-out records to those trained on, or either to an evaluation suite.

A held-out record leaks when its symbol or its code is trained on, when it is a near duplicate of a record trained on,
or when half of its word 13-grams stand in one such record, without those that are common phrases. Any record leaks
that shares a 13-gram with a text of the suite, or has all of a suite text of 5 to 12 words; shorter ones say too
little. The measure is that of Brown et al. 2020, appendix C.
Knows nothing about how the sides are chosen.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bundle.errors import DatasetError
from bundle.records import EVAL, TRAIN, Record, read_records
from curation.answer import code_of
from curation.duplicates import code_hash
from curation.reason import Reason
from curation.shingles import Grams, Index, grams, shingles, word_count

LENGTH = 13
"""Words of the n-grams of which two texts that have nothing to do with each other share none."""
SHORTEST = 5
"""Words of the shortest suite text that counts."""
CONTAINED = 0.5
"""Share of a held-out record's 13-grams that no single record trained on may have."""
COMMON = 10
"""Records trained on that may have a 13-gram before it is a common phrase, which counts for nothing."""


@dataclass(frozen=True)
class Leak:
    """A record that has to go."""

    record: Record
    reason: Reason


def group(record: Record) -> str:
    """What a record's side depends on: its symbol; without one the page it is from, or else its code."""
    provenance = record.provenance
    return provenance.symbol or provenance.url.partition("#")[0] or code_hash(code_of(record))


def leaks(
    train: Sequence[Record], held_out: Sequence[Record], suite: Collection[str] = (), similarity: float = 0.85
) -> list[Leak]:
    """All records that have to go, each once, with the first reason that was found.

    Args:
        train: the records trained on.
        held_out: the records held out.
        suite: texts of an evaluation suite: questions, answers.
        similarity: from what on two records are near duplicates.

    Returns:
        Those trained on, which are near the suite; then the held-out ones; in the order in which they were given.
    """
    near = _Suite(suite)
    gone = [Leak(record, reason) for record in train if (reason := near.reason(record))]
    linked = [_same(train, held_out), _alike(train, held_out, similarity), _contained(train, held_out)]
    for number, record in enumerate(held_out):
        details = [one[number] for one in linked if number in one]
        reason = near.reason(record) or (_leak(details[0]) if details else None)
        if reason:
            gone.append(Leak(record, reason))
    return gone


def prove(dataset: Path, suite: Collection[str] = (), similarity: float = 0.85) -> None:
    """Read the two sides of a dataset as they were written, and prove that nothing leaks.

    Raises:
        DatasetError: something does, or a side is missing or damaged.
    """
    found = leaks(list(read_records(dataset / TRAIN)), list(read_records(dataset / EVAL)), suite, similarity)
    if found:
        first = found[0]
        raise DatasetError(
            f"{dataset}: {len(found)} records leak; the first is about {first.record.provenance.symbol or 'no symbol'} "
            f"({first.reason.detail}); nothing may be measured on this dataset: run `boffin curate --force`"
        )


class _Suite:
    def __init__(self, texts: Collection[str]) -> None:
        by_length: dict[int, list[Grams]] = {}
        for text in texts:
            length = min(LENGTH, word_count(text))
            if length >= SHORTEST:
                by_length.setdefault(length, []).append(grams(text, length))
        self._grams = {length: np.unique(np.concatenate(found)) for length, found in sorted(by_length.items())}

    def reason(self, record: Record) -> Reason | None:
        text = _text(record)
        for length, known in self._grams.items():
            if _places(known, grams(text, length)).size:
                return _leak(f"{length} words in a row stand in the evaluation suite")
        return None


def _same(train: Sequence[Record], held_out: Sequence[Record]) -> dict[int, str]:
    """Held-out records whose group or code is trained on: their number, and a detail."""
    groups = {group(record) for record in train}
    codes = {code_hash(code): _name(record) for record in reversed(train) if (code := code_of(record))}
    found = {}
    for number, record in enumerate(held_out):
        if group(record) in groups:
            found[number] = f"{group(record)} is trained on"
        elif (code := code_of(record)) and (first := codes.get(code_hash(code))):
            found[number] = f"its code is trained on, with {first}"
    return found


def _alike(train: Sequence[Record], held_out: Sequence[Record], similarity: float) -> dict[int, str]:
    """Held-out records that are near duplicates of one trained on."""
    index = Index(similarity)
    for record in held_out:
        index.add(shingles(record))
    found: dict[int, str] = {}
    for record in train:
        for number, how_much in index.alike(shingles(record)):
            found.setdefault(number, f"{how_much:.2f} like {_name(record)}, which is trained on")
    return found


def _contained(train: Sequence[Record], held_out: Sequence[Record]) -> dict[int, str]:
    """Held-out records of which too many 13-grams stand in one record trained on."""
    sets = [grams(_text(record), LENGTH) for record in held_out]
    if not sets:
        return {}
    known, column = np.unique(np.concatenate(sets), return_inverse=True)
    order = np.argsort(column, kind="stable")
    owners = np.repeat(np.arange(len(sets)), [len(one) for one in sets])[order]
    starts = np.searchsorted(column[order], np.arange(len(known) + 1))
    uses = np.zeros(len(known), dtype=np.int64)
    hits = []
    for record in train:
        shared = _places(known, grams(_text(record), LENGTH))
        uses[shared] += 1
        hits.append(shared)
    found: dict[int, str] = {}
    for record, shared in zip(train, hits, strict=True):
        of = [owners[starts[place] : starts[place + 1]] for place in shared[uses[shared] <= COMMON]]
        for number, count in zip(*np.unique(np.concatenate(of), return_counts=True), strict=True) if of else ():
            share = count / len(sets[number])
            if share >= CONTAINED:
                found.setdefault(int(number), f"{share:.0%} of its {LENGTH}-grams stand in {_name(record)}")
    return found


def _places(known: Grams, own: Grams) -> npt.NDArray[np.int64]:
    """Where in `known`, which is sorted and not empty, those of `own` stand that are in it."""
    places = np.searchsorted(known, own).clip(max=len(known) - 1)
    return places[known[places] == own]


def _text(record: Record) -> str:
    return f"{record.question}\n{record.output}"


def _name(record: Record) -> str:
    return record.provenance.symbol or record.provenance.url or record.instruction[:80]


def _leak(detail: str) -> Reason:
    return Reason("leak", detail)
