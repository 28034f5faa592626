"""Which passages of the documentation fit a conversation.

What the conversation names goes first, also where it is misspelt or stands in a pasted traceback; then Okapi BM25 as
SQLite has it, with a premium for a library that is spoken of. Where nothing fits, nothing is found. Knows nothing about
prompts and tokens.
"""

from __future__ import annotations

import difflib
import heapq
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from bundle.documentation import Documentation
from bundle.passages import Passage
from bundle.words import asked_words, names

MAX_WORDS = 16
"""Words of a question that are looked for: the rarest."""
MAX_MATCHES = 2_000
"""How many passages may have them, counted for each word: it bounds the time, and what more have says little."""
_NAMED, _PARTLY, _LAST = 40.0, 25.0, 10.0
"""Premiums of a passage whose symbol is named in full, by more than one of its parts, or by the last one."""
_EARLIER, _LATER = 0.5, 0.95
"""What a name counts for, as a share of one in the turn after it, or of the one before it in its own turn."""
_SPOKEN_OF = 1.3
"""What counts the more for a passage about a library that is spoken of."""
_LEAST, _LEAST_SHARE = 17.0, 0.9
"""The BM25 of a passage that fits though nothing of it is named; or as a share of what the question's words weigh. So
chosen that nearly all questions outside the demo's documentation get nothing (`make bench-ground`)."""
_CLOSE = 0.75
"""How alike (as difflib has it) a misspelt name and a real one have to be."""
_LIKELY = 64
"""Passages that are looked at closely."""
_SHORT = 4
"""Words that say something from which on a question is looked for by itself, without the one before it."""
STDLIB = "stdlib"


@dataclass(frozen=True)
class Found:
    """A passage that may answer, and how well it fits."""

    passage: Passage
    score: float
    """Its BM25 and the premiums for what is named; larger is better."""
    named: bool
    """Whether the conversation names it, or what it is a part of."""


def find(documentation: Documentation, turns: Sequence[str], most: int = 8) -> list[Found]:
    """The passages that fit a conversation best, best first; none where nothing fits.

    The same conversation gives the same ones.

    Args:
        documentation: the index.
        turns: what the person said, in order; the last is the question.
        most: how many.

    Raises:
        BundleError: the index is damaged.
    """
    if not turns:
        return []
    asked = asked_words(turns[-1])
    if len(asked) < _SHORT and len(turns) > 1:
        asked = list(dict.fromkeys([*asked, *asked_words(turns[-2])]))
    with documentation.reading():
        premiums = _premiums(documentation, turns)
        counts = {word: documentation.frequency(word) for word in asked}
        scores = documentation.ranked(_rare(counts))
        owners = {documentation.symbol(number): premium for number, premium in premiums.items()}
        # The standard library's modules have names of everyday use (`time`, `copy`), which say little.
        spoken_of = {word for word in asked if documentation.roots.get(word, STDLIB) != STDLIB}
        # A word that no passage has weighs most.
        least = _LEAST_SHARE * sum(math.log(1 + documentation.size / (1 + count)) for count in counts.values())
        worth: list[tuple[float, int, bool]] = []
        for number in {*heapq.nlargest(_LIKELY, scores, key=scores.__getitem__), *premiums}:
            symbol = documentation.symbol(number)
            owner = symbol.rpartition(".")[0]
            # Who names a class mostly asks about what it can do.
            premium = premiums.get(number, 0.0) + (owners.get(owner, 0.0) if owner else 0.0)
            score = scores.get(number, 0.0) * (_SPOKEN_OF if symbol.partition(".")[0] in spoken_of else 1.0)
            if premium or score >= min(_LEAST, least):
                worth.append((-score - premium, number, bool(premium)))
        best = sorted(worth)[:most]
        return [Found(documentation.passage(number), -score, named) for score, number, named in best]


def missing(documentation: Documentation, text: str, exists: Callable[[str], bool] = lambda name: False) -> list[str]:
    """The dotted names in a text that are of a documented library, and that neither it nor `exists` knows.

    Raises:
        BundleError: the index is damaged.
    """
    with documentation.reading():
        dotted = [name for name in names(text) if name.partition(".")[0].lower() in documentation.roots and "." in name]
        return [name for name in dotted if not documentation.numbers(name.lower()) and not exists(name)]


def _premiums(documentation: Documentation, turns: Sequence[str]) -> dict[int, float]:
    """The passages that are named, and what that is worth."""
    found: dict[int, float] = {}
    weight = 1.0
    for turn in reversed(turns):
        for place, name in enumerate(names(turn)):
            # Of two names the first counts more: what is asked for mostly comes before what it is about.
            for number, worth in _named(documentation, name.lower()):
                found[number] = max(found.get(number, 0.0), weight * worth * _LATER**place)
        weight *= _EARLIER
    return found


def _named(documentation: Documentation, name: str) -> list[tuple[int, float]]:
    """The passages that a name in lower case stands for; else those of its last parts, misspelt or not."""
    tails = [name.split(".", start)[-1] for start in range(name.count(".") + 1)]
    near = (_close(documentation, tail) for tail in tails[:-1])
    for tail in (*tails, *filter(None, near)):
        if numbers := documentation.numbers(tail):
            parts = tail.count(".") + 1
            full = parts > 1 and tail.partition(".")[0] in documentation.roots
            return [(number, _NAMED if full else _PARTLY if parts > 1 else _LAST) for number in numbers]
    return []


def _close(documentation: Documentation, name: str) -> str:
    """The name that was probably meant by one that there isn't, with the same owner; empty for none."""
    owner, _, last = name.rpartition(".")
    alike = [one for one in documentation.members(owner) if 3 * abs(len(one) - len(last)) <= len(last)]
    close = difflib.get_close_matches(last, alike, 1, _CLOSE)
    return f"{owner}.{close[0]}" if close else ""


def _rare(counts: Mapping[str, int]) -> list[str]:
    """The words to look for: the rarest that there are, as many as may be."""
    rare = sorted((word for word in counts if counts[word]), key=counts.__getitem__)[:MAX_WORDS]
    sums = accumulate(counts[word] for word in rare)
    return [word for word, matches in zip(rare, sums, strict=True) if matches <= MAX_MATCHES] or rare[:1]
