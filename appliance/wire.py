"""What who asks and who answers tell each other, as data: options of a request, pieces of an answer, health.

Knows nothing about HTTP or JSON.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypedDict, Unpack

from bundle.errors import ServerError

Message = Mapping[str, str]
"""A chat message: `role` (system, user or assistant) and `content`."""


class ChatOptions(TypedDict, total=False):
    """What a request may say about its answer; the server's settings stand in for what it leaves out."""

    model: str
    """The expert's name; left out, the one that is served."""
    temperature: float
    """0 is greedy."""
    top_p: float
    """Share of probability that is kept."""
    repeat_penalty: float
    """Penalty on tokens of the last 64; 1 is none."""
    max_tokens: int
    """Longest answer, in tokens."""
    seed: int
    """Equal seeds and settings give equal answers."""
    stop: list[str]
    """Texts that end the answer; they are not part of it."""
    continue_final_message: bool
    """Whether the answer goes on with the last message, which is the assistant's."""
    cache: bool
    """False: neither read the answer from the server's cache nor store it there."""
    grounding: bool
    """Whether documentation is read before the answer."""
    check: Literal["off", "flag", "repair"]
    """What becomes of code in the answer that has what doesn't exist."""


@dataclass(frozen=True)
class Delta:
    """The next piece of an answer's text."""

    text: str


@dataclass(frozen=True)
class Source:
    """A passage of the documentation that the model read before it answered."""

    number: int
    """By which it is cited."""
    title: str
    package: str = ""
    version: str = ""
    licence: str = ""
    attribution: str = ""
    """Who has to be named, where the licence asks for it."""
    url: str = ""
    """Where it can be read; empty for docstrings."""
    text: str = ""
    """What the model read of it."""


@dataclass(frozen=True)
class Finding:
    """Something in an answer's code that does not exist."""

    line: int
    """Line of the block, from 1."""
    name: str
    """The full dotted name, or `function(keyword)`."""
    problem: str
    """`no-such-module`, `no-such-attribute` or `no-such-keyword`."""
    nearest: str = ""
    """A real name much like it, or nothing."""


@dataclass(frozen=True)
class CodeCheck:
    """A Python block of the answer has ended, and was held to what exists."""

    block: int
    """Its number in the answer, from 0."""
    start: int
    """Where its code begins in the answer's text, in characters."""
    end: int
    """Where it ends there."""
    findings: tuple[Finding, ...] = ()
    """What in it does not exist."""
    error: str = ""
    """Why it is no Python; empty where it is."""


@dataclass(frozen=True)
class Citation:
    """A sentence of the answer that a passage bears out."""

    start_index: int
    """Where it begins in the answer's text, in characters."""
    end_index: int
    """Where it ends there."""
    number: int
    """The passage's."""


@dataclass(frozen=True)
class Usage:
    """Token counts of a request."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0


@dataclass(frozen=True)
class Timings:
    """What the answer took, under llama.cpp's names; an answer from the cache carries those of its first making."""

    cache_n: int = 0
    """Prompt tokens that an earlier request left in the server's memory."""
    prompt_n: int = 0
    """Prompt tokens that were computed."""
    prompt_ms: float = 0.0
    """Milliseconds from the first prompt token to the first token of the answer."""
    predicted_n: int = 0
    """Tokens generated."""
    predicted_ms: float = 0.0
    """Milliseconds from the first token of the answer to its last."""
    prompt_per_second: float = 0.0
    predicted_per_second: float = 0.0


@dataclass(frozen=True)
class Done:
    """The end of an answer."""

    finish_reason: str
    """`stop`: the answer ended by itself; `length`: it was cut at `max_tokens` or at the end of the context."""
    usage: Usage
    timings: Timings
    cached: bool
    """Whether it came from the server's cache."""
    sources: tuple[Source, ...] = ()
    """What the model read of the documentation before it answered."""
    citations: tuple[Citation, ...] = ()
    """What of it the sources bear out, in order."""
    checks: tuple[CodeCheck, ...] = ()
    """What became of its code blocks, in order."""
    repaired: bool = False
    """Whether its code went on otherwise where it named what doesn't exist, or was no Python."""


REPAIRED = "Its code was repaired: what doesn't exist, or is no Python, was written anew."
"""What a person is told of such an answer."""

Event = Delta | CodeCheck | Done
"""What comes of an answer."""


class ContextExceeded(ServerError):
    """The conversation is longer than the context that is kept for one."""


class Answering(Protocol):
    """Who answers: the client of a server, or the expert in this process."""

    def models(self) -> list[str]:
        """The names of those that answer."""

    def chat(self, messages: Sequence[Message], **options: Unpack[ChatOptions]) -> Generator[Event]:
        """The answer to a conversation: deltas and checks of its code, then one `Done`.

        Closing the iterator cancels the answer.
        """


@dataclass(frozen=True)
class Health:
    """The state of a server."""

    status: Literal["loading", "ok", "failed"]
    detail: str = ""
    """Why it failed."""
    model: str = ""
    """The expert's name."""
    bundle: str = ""
    """Digest of the bundle's manifest."""
    quantisation: str = ""
    backend: str = ""
    """What computes: `CPU`, `CUDA`, `Metal` …"""
    devices: list[str] = field(default_factory=list)
    """The devices that llama.cpp loaded, each with its description."""
    context: int = 0
    """Longest prompt plus answer, in tokens."""
    slots: int = 0
    slots_busy: int = 0
    queue: int = 0
    """Requests that wait for a slot."""
    queue_limit: int = 0


def marked(text: str, citations: Sequence[Citation]) -> str:
    """An answer's text with the number of its passage after each sentence that one bears out: `… a copy. [1]`."""
    for one in sorted(citations, key=lambda one: one.end_index, reverse=True):
        text = f"{text[: one.end_index]} [{one.number}]{text[one.end_index :]}"
    return text
