"""Which sentences of an answer the passages bear out that the model read before it.

A sentence is cited to a passage that has most of its words, all of its names of code and all of its numbers; one that
begins with a parameter, to what the passage says of that. Where none has, it isn't cited, whatever the model wrote.
Code is not cited: it is checked. Knows nothing about engines and HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bundle.grounding import Source
from bundle.words import asked_words, names, words

LONGEST = 100_000
"""Characters of an answer that are looked at."""
LEAST_WORDS = 3
"""Words that say something, beside names, of a sentence that can be cited."""
LEAST_SHARE = 0.6
"""Share of them that the passage has to have."""
_CODE = re.compile(r"^[ \t]*(`{3,}|~{3,})[^\n]*\n.*?(?:^[ \t]*\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_SENTENCE = re.compile(r"\S(?:[^\n]*?(?:[.!?](?=\s|$)(?<!e\.g\.)(?<!i\.e\.)|$))", re.MULTILINE)
_BULLET = re.compile(r"(?:[-*+]|\d+[.)])\s+")
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?")
_NAME = re.compile(r"`[^`\n]*`|\w+(?:[._]\w+)+")
_MARK = re.compile(r"\[\d+\]")
_SUBJECT = re.compile(r"(?:In `[\w.]+`, )?`(\w+)`")


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
    read = [source.text for source in sources]
    found = []
    for start, end in _sentences(answer[:LONGEST]):
        said = _MARK.sub("", answer[start:end])
        best = max(((_borne_out(said, text), -place) for place, text in enumerate(read)), default=(0.0, 0))
        if best[0] >= LEAST_SHARE:
            found.append(Citation(start, end, 1 - best[1]))
    return tuple(found)


def _sentences(answer: str) -> Iterator[tuple[int, int]]:
    """Where the sentences of the prose are."""
    prose = _CODE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), answer)
    for match in _SENTENCE.finditer(prose):
        bullet = _BULLET.match(match[0])
        yield match.start() + (bullet.end() if bullet else 0), match.end()


def _borne_out(said: str, text: str) -> float:
    """The share of a sentence's words that a passage has; 0 where it lacks a name or a number, or little is said."""
    text = _told(said, text)
    lower = text.lower()
    asked = asked_words(_NAME.sub(" ", said))
    if len(asked) < LEAST_WORDS or any(number not in lower for number in _NUMBER.findall(said)):
        return 0.0
    spelt = {_with_owner(name) for name in names(text)}
    if any(name not in spelt and not _has(lower, name) for name in map(_with_owner, names(said))):
        return 0.0
    has = set(words(text))
    return sum(word in has for word in asked) / len(asked)


def _has(text: str, name: str) -> bool:
    """Whether a text has a name, and not as a part of a longer one."""
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None


def _with_owner(name: str) -> str:
    """The last two parts of a name in lower case: the last alone says little, for another class has it, too."""
    return ".".join(name.lower().split(".")[-2:])


def _told(said: str, text: str) -> str:
    """What a passage says of what a sentence begins with: of a parameter its own line, or nothing; else everything."""
    subject = _SUBJECT.match(said)
    head, _, rest = text.partition("\n")
    if not subject or not re.search(rf"[(\s*]{subject[1]}(?:=|,|\))", head):
        return text
    line = re.search(rf"^{subject[1]}: .*", rest, re.MULTILINE)
    return line[0] if line else ""
