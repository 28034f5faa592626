"""What was measured of a bundle before it was sealed: that it is the trained model, and what each quantisation costs.

Divergences and losses are in nats, of the tokens of held-out answers alone, the end of the turn among them.
Knows nothing about how they are measured.
"""

from __future__ import annotations

import math

from pydantic import BaseModel, ConfigDict

_LEAST_DROP = 0.01
"""Nats below which a drop in loss can't be told from rounding."""


class Proof(BaseModel):
    """The unquantised GGUF file against the base with its adapter unmerged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    records: int
    """Held-out records that were compared."""
    tokens: int
    """Tokens of their answers."""
    same_top: float
    """Share of the tokens where both find the same token the likeliest."""
    divergence: float
    """Mean KL(trained‖file)."""
    learned: float | None = None
    """Mean KL(base‖file): how far training moved the model; None without an adapter."""
    loss_base: float
    """Loss of the base."""
    loss_trained: float
    """Loss of the base with its adapter."""
    loss_file: float
    """Loss of the file."""
    ends_trained: int
    """Of how many answers the end of the turn is the likeliest token in its place, in the trained model."""
    ends_file: int
    """The same in the file."""

    @property
    def adapter_found(self) -> float | None:
        """The share of the drop in loss that is found in the file; None where training hardly lowered the loss."""
        drop = self.loss_base - self.loss_trained
        return (self.loss_base - self.loss_file) / drop if drop >= _LEAST_DROP else None


class Measurement(BaseModel):
    """One file type on this machine, against the unquantised file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    quantisation: str
    """llama.cpp's name of the type."""
    reference: bool = False
    """Whether this is the unquantised file that the others are compared with."""
    kept: bool = True
    """Whether the bundle has the file."""
    importance: bool = False
    """Whether it was quantised with the importance matrix."""
    bytes: int
    """Size of the file."""
    bits: float
    """Bits a weight, as they came out: rows that don't suit a type fall back to a larger one."""
    loss: float
    """Held-out loss."""
    divergence: float
    """Mean KL(unquantised‖this)."""
    divergence_99: float
    """Its 99th percentile over the tokens."""
    same_top: float
    """Share of the tokens whose likeliest token is the unquantised file's."""
    survival: float | None = None
    """How much of what training changed is left: 1 - KL(unquantised‖this) / KL(base‖unquantised), at least 0."""
    prefill: float
    """Prompt tokens read a second."""
    decode: float
    """Tokens written a second, of one answer."""
    answer_seconds: float
    """What the mean held-out prompt and answer take at these rates."""

    @property
    def perplexity(self) -> float:
        """The loss as perplexity."""
        return math.exp(self.loss)


class FreeRun(BaseModel):
    """Answers that the served file wrote by itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    answers: int
    """How many."""
    tokens: int
    """The longest that one could get."""
    ended: int
    """How many ended by themselves."""
    looped: int
    """How many repeated themselves to the end."""


class Evidence(BaseModel):
    """All that was measured of a bundle."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    proof: Proof | None = None
    """That the file is the trained model; None where there was no dataset."""
    quantisations: list[Measurement] = []
    """The unquantised file, then each type as the project lists it."""
    free_run: FreeRun | None = None
    """How the served file's own answers end."""
