"""Which passages of the documentation fit a conversation.

What the conversation names goes first, also where it is misspelt or stands in a pasted traceback; then what has its
words, or others for the same things. SQLite's BM25 finds what is likely, and BM25F (Robertson and Zaragoza 2009, 3.5)
puts that in order, which takes a long list of parameters for no fault of a passage whose name and summary fit. Where
nothing fits, nothing is found. Knows nothing about prompts and tokens.
"""

from __future__ import annotations

import difflib
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain

from bundle.documentation import Documentation
from bundle.passages import Passage
from bundle.words import asked_words, names, synonyms

MAX_WORDS = 16
"""Words of a question that count: the rarest."""
MAX_MATCHES = 2_000
"""How many passages may have the words that passages are looked for by, counted for each word: it bounds the time."""
_NAMED, _PARTLY, _LAST = 40.0, 25.0, 10.0
"""Premiums of a passage whose symbol is named in full, by more than one of its parts, or by the last one."""
_MEMBER = 0.5
"""What of the last of these a member has of a class that is named so; of the others it has all."""
_EARLIER, _LATER = 0.5, 0.95
"""What a name counts for, as a share of one in the turn after it, or of the one before it in its own turn."""
_SPOKEN_OF = 1.3
"""What counts the more for a passage about a library that is spoken of."""
_FAMILIAR = 0.4
"""By how much at most it counts the more for what is familiar."""
_FIELDS = ((4.0, 0.3), (2.0, 0.6), (1.0, 0.75))
"""Of a passage's name, summary and the rest: what a word there counts for, and by how much length takes from it."""
_SATURATION = 1.2
_SYNONYM = 0.6
"""What another word for the same thing counts for."""
_LEAST, _LEAST_SHARE = 20.0, 0.9
"""What a passage that fits has at least, though nothing of it is named; or as a share of what the question's words
weigh. So chosen that nearly all questions outside the demo's documentation get nothing (`make bench-ground`)."""
_CLOSE = 0.75
"""How alike (as difflib has it) a misspelt name and a real one have to be."""
_LIKELY = 64
"""Passages that are looked at closely."""
_SHORT = 4
"""Words that say something from which on a question is looked for by itself, without the one before it; so is one that
names something with its owner."""
STDLIB = "stdlib"


@dataclass(frozen=True)
class Found:
    """A passage that may answer, and how well it fits."""

    passage: Passage
    score: float
    """Its BM25F and the premiums for what is named; larger is better."""
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
    with documentation.reading():
        premiums = _premiums(documentation, turns[-1:])
        if len(asked) < _SHORT and len(turns) > 1 and max(premiums.values(), default=0.0) < _PARTLY:
            asked = list(dict.fromkeys([*asked, *asked_words(turns[-2])]))
        for number, premium in _premiums(documentation, turns[:-1]).items():
            premiums[number] = max(premiums.get(number, 0.0), _EARLIER * premium)
        weights = _Weights(documentation, asked)
        owners = {documentation.symbol(number): premium for number, premium in premiums.items()} | {"": 0.0}
        # The standard library's modules have names of everyday use (`time`, `copy`), which say little.
        spoken_of = {word for word in asked if documentation.roots.get(word, STDLIB) != STDLIB}
        worth: list[tuple[float, int, bool]] = []
        for number in {*documentation.likely(weights.looked_for, _LIKELY), *premiums}:
            passage = documentation.words(number)
            owner = passage.symbol.rpartition(".")[0]
            owners_premium = owners.get(owner, 0.0)
            # Who names a class mostly asks about what it can do, unless the name is that of a thing, too.
            premium = premiums.get(number, 0.0) + owners_premium * (_MEMBER if owners_premium <= _LAST else 1.0)
            score = weights.score(passage.fields) * (1 + _FAMILIAR * passage.familiar)
            score *= _SPOKEN_OF if passage.symbol.partition(".")[0] in spoken_of else 1.0
            if premium or score >= weights.least:
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
    """The passages that a name in lower case stands for; else those of its last parts, misspelt or with words more."""
    tails = [name.split(".", start)[-1] for start in range(name.count(".") + 1)]
    near = (_close(documentation, tail) for tail in tails[:-1])
    for tail in chain(tails, filter(None, near)):  # what is near takes a while, and mostly isn't needed
        if numbers := documentation.numbers(tail):
            parts = tail.count(".") + 1
            full = parts > 1 and tail.partition(".")[0] in documentation.roots
            return [(number, _NAMED if full else _PARTLY if parts > 1 else _LAST) for number in numbers]
    within = (_within(documentation, tail) for tail in tails[:-1])
    return [(number, _PARTLY) for tail in filter(None, within) for number in documentation.numbers(tail)]


def _close(documentation: Documentation, name: str) -> str:
    """The name that was probably meant by one that there isn't, with the same owner; empty for none."""
    owner, _, last = name.rpartition(".")
    alike = [one for one in documentation.members(owner) if 3 * abs(len(one) - len(last)) <= len(last)]
    close = difflib.get_close_matches(last, alike, 1, _CLOSE)
    return f"{owner}.{close[0]}" if close else ""


def _within(documentation: Documentation, name: str) -> str:
    """The longest name with the same owner whose words one that there isn't has all; empty for none."""
    owner, _, last = name.rpartition(".")
    words = {*last.split("_")}
    others = [one for one in documentation.members(owner) if words.issuperset(one.strip("_").split("_"))]
    return f"{owner}.{max(others, key=lambda one: (len(one), one))}" if others else ""


class _Weights:
    """What the words of a question weigh, and how well passages fit them."""

    def __init__(self, documentation: Documentation, asked: Sequence[str]) -> None:
        size, self._lengths = documentation.size, documentation.lengths
        every = {word: documentation.frequency(word) for word in asked}
        # A word that no passage has weighs most.
        self.least = min(_LEAST, _LEAST_SHARE * sum(_rarity(size, count) for count in every.values()))
        """What a passage has at least that fits."""
        rarest = sorted(every, key=every.__getitem__)[:MAX_WORDS]
        counts = {word: every[word] for word in rarest}
        self._meant: list[list[tuple[str, float]]] = []
        for word in rarest:
            others = {other: documentation.frequency(other) for other in synonyms(word) if other not in every}
            counts |= others
            weights = [(word, _rarity(size, counts[word]))]
            weights += [(other, _SYNONYM * _rarity(size, count)) for other, count in others.items()]
            self._meant.append([(one, weight) for one, weight in weights if counts[one]])
        self.looked_for = _rare(counts)

    def score(self, fields: Sequence[Sequence[str]]) -> float:
        """The BM25F of a passage: the sum of what each word, or the best of its synonyms, has in it."""
        names, summary, details = (Counter(field) for field in fields)
        in_name, in_summary, in_details = (
            weight / (1 - share + share * len(field) / length)
            for (weight, share), field, length in zip(_FIELDS, fields, self._lengths, strict=True)
        )
        total = 0.0
        for words in self._meant:
            best = 0.0
            for word, weight in words:
                # `get` is several times faster here than a counter's own zero.
                found = (
                    in_name * names.get(word, 0) + in_summary * summary.get(word, 0) + in_details * details.get(word, 0)
                )
                best = max(best, weight * found * (1 + _SATURATION) / (found + _SATURATION))
            total += best
        return total


def _rarity(size: int, count: int) -> float:
    """What a word says that so many of the passages have (Robertson and Spärck Jones's weight, never negative)."""
    return math.log(1 + (size - min(count, size) + 0.5) / (count + 0.5))


def _rare(counts: Mapping[str, int]) -> list[str]:
    """The words to look for: the rarest that there are, as many as may be."""
    rare = sorted((word for word in counts if counts[word]), key=counts.__getitem__)
    sums = accumulate(counts[word] for word in rare)
    return [word for word, matches in zip(rare, sums, strict=True) if matches <= MAX_MATCHES] or rare[:1]
