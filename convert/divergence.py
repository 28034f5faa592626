"""How far one model's predictions are from another's, from their logits. Knows nothing about where they come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from convert.inference import Logits


@dataclass(frozen=True)
class Difference:
    """Of each position of one passage, shape (positions,)."""

    divergence: Tensor
    """Kullback-Leibler divergence KL(reference‖other), in nats."""
    same: Tensor
    """Whether the likeliest token is the same."""


def log_probabilities(logits: Logits) -> Tensor:
    """Log-probabilities of each row."""
    return torch.log_softmax(torch.from_numpy(logits), dim=-1)


def difference(reference: Tensor, other: Tensor) -> Difference:
    """How far `other` is from `reference`; both are rows of log-probabilities of the same positions."""
    divergence = (reference.exp() * (reference - other)).sum(dim=-1).clamp(min=0)
    return Difference(divergence, reference.argmax(dim=-1) == other.argmax(dim=-1))


def losses(rows: Tensor, targets: Sequence[int]) -> Tensor:
    """Minus the log-probability of each target, in nats."""
    return -rows.gather(1, torch.tensor(targets).unsqueeze(1)).squeeze(1)
