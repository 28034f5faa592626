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


@dataclass(frozen=True)
class Delta:
    """The next piece of an answer's text."""

    text: str


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


class ContextExceeded(ServerError):
    """The conversation is longer than the context that is kept for one."""


class Answering(Protocol):
    """Who answers: the client of a server, or the expert in this process."""

    def models(self) -> list[str]:
        """The names of those that answer."""

    def chat(self, messages: Sequence[Message], **options: Unpack[ChatOptions]) -> Generator[Delta | Done]:
        """The answer to a conversation: deltas, then one `Done`. Closing the iterator cancels the answer."""


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
