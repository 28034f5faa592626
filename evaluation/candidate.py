"""A candidate: a model behind an OpenAI-compatible endpoint, or answers that it gave before.

Knows nothing about how it is asked or graded.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from evaluation.cost.case import Hosted


@dataclass(frozen=True)
class Remote:
    """What is to be known of an endpoint that isn't Boffin's: it gets OpenAI's own fields alone, and scores nothing."""

    key: str = field(default="", repr=False)
    """The key that it asks for; empty for none."""
    price: Hosted | None = None
    """What it charges; None where that isn't known."""


@dataclass(frozen=True)
class Recording:
    """Answers in a file."""

    path: Path
    """JSON lines."""
    candidate: str = ""
    """Whose answers are taken where lines name a candidate; empty for all lines."""


@dataclass(frozen=True)
class Served:
    """A server that runs for one candidate."""

    url: str
    """Where it answers."""
    peak_memory: Callable[[], int | None]
    """The most memory that it has had so far, in bytes; None where the system doesn't tell."""


@dataclass(frozen=True)
class Candidate:
    """One model to evaluate."""

    name: str
    """What the report calls it, e.g. `base` or `tuned`; unique among the candidates."""
    url: str
    """Where it answers, with or without the trailing `/v1`, e.g. `http://127.0.0.1:8639`; empty where `serve` tells."""
    model: str
    """Its model name at that endpoint."""
    quantisation: str = ""
    """llama.cpp's name of its type; empty where that isn't known."""
    bytes: int = 0
    """Size of its model file in bytes; 0 where that isn't known."""
    weights: str = ""
    """What tells its model file from all others: candidates that share it score a text once. Empty where unknown."""
    system: str | None = None
    """The system message that is sent with each question; None for none, so that it has its own."""
    greedy: bool = False
    """Whether its answers are asked for at temperature 0."""
    grounding: bool | None = None
    """Whether it is asked to read documentation before it answers; None leaves it to its server."""
    reads: bool | None = None
    """Whether its server lets it read where it isn't asked either way; None where that isn't known."""
    repair: bool = False
    """Whether it is asked to go on otherwise where its code has what doesn't exist; else that is left to its server."""
    trained: bool = True
    """Whether it was trained by this project, which is a part of what it costs."""
    serve: Callable[[], AbstractContextManager[Served]] | None = None
    """Starts its server for as long as it is asked; None where it runs already."""
    remote: Remote | None = None
    """Set where it is somebody else's."""
    recording: Recording | None = None
    """Set where its answers are there already, and nobody is asked."""

    @property
    def described(self) -> str:
        """What it is, in a line: the model, and how it is asked where that isn't as the product asks."""
        parts = [f"{self.model} {self.quantisation}".strip()]
        if self.remote:
            parts = [f"{self.model} at {self.url}", *([] if self.system else ["without a system prompt"])]
        elif self.system == "":
            parts.append("with an empty system prompt")
        reads = self.reads if self.grounding is None else self.grounding
        if reads is not None:
            parts.append("after reading documentation" if reads else "without reading documentation")
        if self.repair:
            parts.append("repaired where its code has what doesn't exist")
        return ", ".join([*parts, *(["greedy"] if self.greedy else [])])
