"""A conversation with passages of the documentation: what is picked, and the one form in which a model reads it.

The passages stand before the question, in the same message, so that training, evaluation and the appliance have the
same text, and the same tokens, for the same question. Knows nothing about models; how long a text is, it is told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import get_args

from bundle.documentation import Documentation
from bundle.passages import Form, Passage, cut
from bundle.retrieval import find, missing
from bundle.sentences import first_sentence
from bundle.template import Message, grounded
from bundle.words import asked_words, errors

HEAD = "Documentation:"
MISSING = "Not in the documentation:"
_NAMES = 4
"""Names that aren't in the documentation, at most, that are told."""
NOTHING_FITS = "The documentation does not cover this; what follows is from memory.\n\n"
"""How an answer begins where no passage fits."""
_LONGEST = 240
_WORDS = 2
"""Words that say something from which on a question is one, and no greeting."""


@dataclass(frozen=True)
class Source:
    """A passage as the model reads it."""

    passage: Passage
    form: Form = "whole"
    """How much of it: as much as there is room for."""

    @property
    def text(self) -> str:
        """What the model reads."""
        return self.passage.text(self.form)


@dataclass(frozen=True)
class Grounding:
    """What of the documentation stands before a question."""

    sources: tuple[Source, ...] = ()
    """The passages, best first; the first is called [1]."""
    missing: tuple[str, ...] = field(default=())
    """Names of the question that neither the documentation nor the libraries have."""
    opening: str = ""
    """What the answer is to begin with: that the documentation doesn't cover what is asked; mostly nothing."""

    def text(self) -> str:
        """What stands before the question; empty where there is nothing to tell."""
        parts = [f"[{number}] {source.text}" for number, source in enumerate(self.sources, start=1)]
        if self.missing:
            parts.append(f"{MISSING} {', '.join(self.missing)}")
        return "\n\n".join([HEAD, *parts]) if parts else ""


def ground(
    documentation: Documentation,
    turns: Sequence[str],
    room: int,
    measure: Callable[[str], int],
    *,
    most: int = 3,
    exists: Callable[[str], bool] = lambda name: False,
) -> Grounding:
    """The passages for a conversation that fit into a room.

    Args:
        documentation: the index.
        turns: what the person said, in order; the last is the question.
        room: how long the passages may be together.
        measure: how long a text is, e.g. in tokens.
        most: how many passages.
        exists: whether there is a name that the documentation doesn't have.

    Raises:
        BundleError: the index is damaged.
    """
    passages = [one.passage for one in find(documentation, turns, most)]
    unknown = missing(documentation, turns[-1], exists) if turns else []
    found = fitting(passages, unknown, room, measure)
    return replace(found, opening=_opening(turns[-1], passages, unknown)) if turns else found


def not_covered(name: str, passages: Sequence[Passage]) -> str:
    """What is said of a name that there isn't, with the passage that is nearest to it."""
    said = f"The documentation does not cover `{name}`."
    if not passages:
        return said
    nearest = cut(" ".join(first_sentence(passages[0].summary).split()), _LONGEST)
    return f"{said} The nearest in it is `{passages[0].title}`: {nearest}"


def _opening(question: str, passages: Sequence[Passage], unknown: Sequence[str]) -> str:
    """How the answer to a question begins that asks for what isn't there; of code the name may be the fault."""
    if "```" in question or errors(question):
        return ""
    if unknown:
        return not_covered(unknown[0], passages)
    return "" if passages or len(asked_words(question)) < _WORDS else NOTHING_FITS


def fitting(passages: Sequence[Passage], unknown: Sequence[str], room: int, measure: Callable[[str], int]) -> Grounding:
    """Of passages those that fit into a room, in order, each in the longest form that does; with unknown names."""
    picked: list[Source] = []
    left = room
    for passage in passages:
        for source in (Source(passage, form) for form in get_args(Form)):
            length = measure(source.text)
            if length <= left:
                picked.append(source)
                left -= length
                break
    return Grounding(tuple(picked), tuple(unknown[:_NAMES]))


def with_documentation(messages: Sequence[Message], grounding: Grounding) -> list[Message]:
    """A conversation with what stands before its last question; earlier questions stay as they are."""
    last = max((place for place, message in enumerate(messages) if message["role"] == "user"), default=-1)
    return [
        {**message, "content": grounded(message["content"], grounding.text())} if place == last else message
        for place, message in enumerate(messages)
    ]


def turns_of(messages: Sequence[Message]) -> list[str]:
    """What the person said in a conversation."""
    return [message["content"] for message in messages if message["role"] == "user"]
