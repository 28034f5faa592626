"""A conversation with passages of the documentation: what is picked, and the one form in which a model reads it.

The passages stand before the question, in the same message, so that training, evaluation and the appliance have the
same text, and the same tokens, for the same question. Knows nothing about models; how long a text is, it is told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bundle.documentation import Documentation
from bundle.passages import Passage
from bundle.retrieval import find, missing
from bundle.template import Message, grounded

HEAD = "Documentation:"
MISSING = "Not in the documentation:"
_NAMES = 4
"""Names that aren't in the documentation, at most, that are told."""


@dataclass(frozen=True)
class Source:
    """A passage as the model reads it."""

    passage: Passage
    brief: bool = False
    """Whether it is without its parameters and its example, for want of room."""

    @property
    def text(self) -> str:
        """What the model reads."""
        return self.passage.text(brief=self.brief)


@dataclass(frozen=True)
class Grounding:
    """What of the documentation stands before a question."""

    sources: tuple[Source, ...] = ()
    """The passages, best first; the first is called [1]."""
    missing: tuple[str, ...] = field(default=())
    """Names of the question that neither the documentation nor the libraries have."""

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
    return fitting(passages, unknown, room, measure)


def fitting(passages: Sequence[Passage], unknown: Sequence[str], room: int, measure: Callable[[str], int]) -> Grounding:
    """Of passages those that fit into a room, in their order, each in full or else brief; with unknown names."""
    picked: list[Source] = []
    left = room
    for passage in passages:
        for source in (Source(passage), Source(passage, brief=True)):
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
