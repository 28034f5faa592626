"""Which sentences of an answer the passages bear out that the model read before it.

A sentence is cited to a passage that has most of its words, all of its names of code and all of its numbers; one that
begins with a parameter, to what the passage says of that. Where none has, it isn't cited, whatever the model wrote.
Code is not cited: it is checked. Knows nothing about engines and HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from bundle.grounding import Source
from bundle.words import asked_words, names, words

LONGEST = 100_000
"""Characters of an answer that are looked at."""
LEAST_WORDS = 3
"""Words that say something, beside names, of a sentence that can be cited."""
LEAST_SHARE = 0.6
"""Share of them that the passage has to have."""
_CODE = re.compile(r"^[ \t]*+(`{3,}+|~{3,}+)[^\n]*\n.*?(?:^[ \t]*\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_SENTENCE = re.compile(r"\S(?:[^\n]*?(?:[.!?](?=\s|$)(?<!e\.g\.)(?<!i\.e\.)|$))", re.MULTILINE)
_BULLET = re.compile(r"(?:[-*+]|\d+[.)])\s+")
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?")
_NAME = re.compile(r"`[^`\n]*`|\w+(?:[._]\w+)+")
_MARK = re.compile(r"\[\d+\]")
_SUBJECT = re.compile(r"(?:In `[\w.]+`, )?`(\w+)`")
_PARAMETER = re.compile(r"(?<=[(\s*])(\w+)(?=[=,)])")
_PARAMETER_LINE = re.compile(r"^(\w+): .*", re.MULTILINE)


@dataclass(frozen=True)
class Citation:
    """A sentence that a passage bears out."""

    start: int
    """Where it begins in the answer's text, in characters."""
    end: int
    """Where it ends there."""
    number: int
    """The passage's, from 1."""


@dataclass(frozen=True)
class Cited:
    """What is cited of an answer that has ended."""

    citations: tuple[Citation, ...]


def cite(answer: str, sources: Sequence[Source]) -> tuple[Citation, ...]:
    """The sentences of an answer that one of the passages bears out, each with the one that has most of its words."""
    return _cited(answer[:LONGEST], tuple(source.text for source in sources))


@lru_cache(maxsize=256)  # an answer that is stored comes again
def _cited(answer: str, texts: tuple[str, ...]) -> tuple[Citation, ...]:
    read = [_Read(text) for text in texts]
    found = []
    for start, end in _sentences(answer):
        said = _MARK.sub("", answer[start:end])
        best = max(((_borne_out(said, one), -place) for place, one in enumerate(read)), default=(0.0, 0))
        if best[0] >= LEAST_SHARE:
            found.append(Citation(start, end, 1 - best[1]))
    return tuple(found)


def _sentences(answer: str) -> Iterator[tuple[int, int]]:
    """Where the sentences of the prose are."""
    prose = _CODE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), answer)
    for match in _SENTENCE.finditer(prose):
        bullet = _BULLET.match(match[0])
        yield match.start() + (bullet.end() if bullet else 0), match.end()


class _Read:
    """A passage, or a line of one, as sentences are held to it; taken apart once for all of them."""

    def __init__(self, text: str) -> None:
        self.text = text.lower()
        self.words = frozenset(words(text))
        self.names = frozenset(map(_with_owner, names(text)))
        head, _, rest = text.partition("\n")
        told = {line[1]: line[0] for line in _PARAMETER_LINE.finditer(rest)}
        self.parameters = {name: told.get(name, "") for name in _PARAMETER.findall(head)}
        """What it says of each parameter of its signature; an empty text where nothing."""

    @cached_property
    def by_parameter(self) -> dict[str, _Read]:
        """The same, taken apart."""
        return {name: _Read(line) for name, line in self.parameters.items()}


def _borne_out(said: str, read: _Read) -> float:
    """The share of a sentence's words that a passage has; 0 where it lacks a name or a number, or little is said.

    A sentence that begins with a parameter is held to what the passage says of that.
    """
    if (subject := _SUBJECT.match(said)) and subject[1] in read.parameters:
        read = read.by_parameter[subject[1]]
    asked = asked_words(_NAME.sub(" ", said))
    if len(asked) < LEAST_WORDS or any(number not in read.text for number in _NUMBER.findall(said)):
        return 0.0
    if any(name not in read.names and not _has(read.text, name) for name in map(_with_owner, names(said))):
        return 0.0
    return sum(word in read.words for word in asked) / len(asked)


def _has(text: str, name: str) -> bool:
    """Whether a text has a name, and not as a part of a longer one."""
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None


def _with_owner(name: str) -> str:
    """The last two parts of a name in lower case: the last alone says little, for another class has it, too."""
    return ".".join(name.lower().split(".")[-2:])
