"""The loss of the trained tokens on the processor: projected and differentiated in tiles.

The logits of a batch are a hundred megabytes that the loss would read and write half a dozen times. Here a tile of them
is made, turned into its own gradient where it lies and multiplied back at once, as Liger's and TRL's kernels do on a
card; TRL's for other devices project the prompt and the padding too, and each tile three times instead of twice. What
it gives is in docs/training-speed.md. Knows nothing about adapters or records.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

_TILE = 256
"""Positions at once at most. Their 49,152 logits each are 50 MB in float32; a fourth of it reads the projection's own
113 MB so often that the products take 1.3 times as long."""
_AFTERWARDS = (
    "final_logit_softcapping",
    "logit_scale",
    "logits_scaling",
    "output_multiplier",
    "lm_head_multiplier",
)
"""What models' configurations call a change of the logits (as TRL lists them)."""


class _ProjectedLoss(torch.autograd.Function):
    """Sum of the cross-entropies; the states' gradient is computed with it, since a tile's logits are there then."""

    @staticmethod
    def forward(ctx: Any, states: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        gradient = torch.empty_like(states) if ctx.needs_input_grad[0] else None
        count = len(states)
        size = math.ceil(count / max(1, math.ceil(count / _TILE))) or 1  # tiles of like size
        total = states.new_zeros((), dtype=torch.float32)
        for start in range(0, count, size):
            here = slice(start, start + size)
            targets = labels[here, None]
            logits = torch.mm(states[here], weight.t()).float()
            logits.sub_(logits.amax(1, keepdim=True))
            wanted = logits.gather(1, targets)
            sums = logits.exp_().sum(1, keepdim=True)
            total += (sums.log() - wanted).sum()
            if gradient is not None:
                product = torch.mm(logits.to(weight.dtype), weight, out=gradient[here])
                product.div_(sums).sub_(weight[targets[:, 0]])
        if gradient is not None:
            ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *outer: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * outer[0], None, None


def projected_loss(states: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The sum of the losses in nats, float32, of predicting `labels` (n) from `states` (n × width).

    `weight` (words × width) is the frozen projection; it gets no gradient.
    """
    total: torch.Tensor = _ProjectedLoss.apply(states, weight, labels)
    return total


def plain_head(model: PreTrainedModel) -> nn.Linear | None:
    """The model's last layer, if its output is the logits themselves and nothing of it is trained; None otherwise."""
    head, config = model.get_output_embeddings(), model.config.get_text_config()
    changed = any(getattr(config, name, None) is not None for name in _AFTERWARDS)
    if changed or type(head) is not nn.Linear or head.bias is not None or head.weight.requires_grad:
        return None
    return head


@contextmanager
def taken_off(head: nn.Linear) -> Iterator[None]:
    """Within this, the model gives the states that its last layer would have been given."""
    head.__dict__["forward"] = _unchanged
    try:
        yield
    finally:
        del head.__dict__["forward"]


def _unchanged(states: torch.Tensor) -> torch.Tensor:
    return states
