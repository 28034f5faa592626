"""What the engine has done so far, in numbers. Knows nothing about how they are shown."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the histograms' buckets."""


@dataclass(frozen=True)
class Histogram:
    """How often something took how long."""

    counts: tuple[int, ...]
    """One for each of `SECONDS`, of what took at most so long and longer than the bound before; one for the rest."""
    total: float
    """Seconds, all together."""


@dataclass(frozen=True)
class EngineStats:
    """A moment of the engine; what is counted is counted from its start."""

    slots: int
    busy: int
    """Answers that are being made."""
    waiting: int
    queue: int
    """Most requests that may wait."""
    memory: int
    """Tokens that fit into the memory."""
    memory_used: int
    """Tokens that are there, of running answers and kept ones."""
    memory_promised: int
    """Tokens that running answers may yet need."""
    kept: int
    """Sequences that are kept for prompts that begin alike."""
    finished: int
    """Requests that were answered."""
    refused: int
    """Requests that found the queue full."""
    cancelled: int
    expired: int
    """Requests whose deadline passed, before their answer began or in it."""
    failed: int
    steps: int
    prompt_tokens: int
    """Prompt tokens that were computed."""
    reused_tokens: int
    """Prompt tokens that were in the memory or on disk already."""
    restored_tokens: int
    """Those of them that came from disk."""
    generated_tokens: int
    guessed_tokens: int
    """Tokens that were computed beside the ones due, as guesses."""
    guessed_right: int
    """Those of them that came."""
    first_token: Histogram
    """From a request to the first token of its answer."""
    between_tokens: Histogram
    """From one token of an answer to the next."""


class Timer:
    """A histogram in the making."""

    def __init__(self) -> None:
        self._counts = [0] * (len(SECONDS) + 1)
        self._total = 0.0

    def add(self, seconds: float) -> None:
        """Count a duration."""
        self._counts[bisect_left(SECONDS, seconds)] += 1
        self._total += seconds

    def histogram(self) -> Histogram:
        """As it is now."""
        return Histogram(tuple(self._counts), self._total)


@dataclass
class Counts:
    """The counters; only the engine's thread raises them, apart from `refused`."""

    finished: int = 0
    refused: int = 0
    cancelled: int = 0
    expired: int = 0
    failed: int = 0
    steps: int = 0
    prompt_tokens: int = 0
    reused_tokens: int = 0
    generated_tokens: int = 0
    guessed_tokens: int = 0
    guessed_right: int = 0
    first_token: Timer = field(default_factory=Timer)
    between_tokens: Timer = field(default_factory=Timer)
