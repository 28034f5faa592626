"""How long a training step's matrix products alone take on this machine: what no training step can be faster than.

Each product that forward and backward of a frozen base with a LoRA adapter need, in the shapes and the order of a step,
with every layer's own weights, and nothing else: no attention, no norms, no losses, no optimiser. Every token of every
record counts once, the trained ones also in the last projection. Knows nothing about trainers.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from transformers import AutoModelForCausalLM


@dataclass(frozen=True)
class Ceiling:
    """The products of a step."""

    seconds: list[float]
    """Of each repetition."""
    flops: float
    """Of a step: two for each multiplication with its addition."""

    @property
    def gflops(self) -> float:
        """A second, in the median."""
        return self.flops / statistics.median(self.seconds) / 1e9


def measure(base: Path, rank: int, tokens: int, trained: int, repetitions: int = 5) -> Ceiling:
    """Time the products of a step of `tokens` tokens, `trained` of them trained, in float32."""
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, local_files_only=True)
    head = model.get_output_embeddings()
    layers = [module for module in model.modules() if isinstance(module, nn.Linear) and module is not head]
    work = _Work()
    passes = [work.layer(layer.weight.detach(), rank, tokens) for layer in layers]
    steps = [forward for forward, _ in passes] + work.head(head.weight.detach(), trained)
    steps += [backward for _, backward in reversed(passes)]
    seconds = []
    for repetition in range(repetitions + 1):
        began = time.perf_counter()
        for step in steps:
            step()
        if repetition:  # the first one warms up
            seconds.append(time.perf_counter() - began)
    return Ceiling(seconds, work.flops)


class _Work:
    """Makes the products and counts them."""

    def __init__(self) -> None:
        self.flops = 0.0

    def layer(self, weight: torch.Tensor, rank: int, tokens: int) -> tuple[Callable[[], None], Callable[[], None]]:
        """Forward and backward of an adapted layer, whose weight (out × in) is frozen."""
        width_out, width_in = weight.shape
        x, dy = torch.randn(tokens, width_in), torch.randn(tokens, width_out)
        a, b, low = torch.randn(rank, width_in), torch.randn(width_out, rank), torch.randn(tokens, rank)
        forward = [(x, weight.t()), (x, a.t()), (low, b.t())]
        backward = [(dy, weight), (dy, b), (low, a), (low.t(), x), (dy.t(), low)]
        return self._run(forward), self._run(backward)

    def head(self, weight: torch.Tensor, trained: int) -> list[Callable[[], None]]:
        """The projection to words and its gradient with respect to the states; the weight (words × width) is frozen."""
        states, logits = torch.randn(trained, weight.shape[1]), torch.randn(trained, weight.shape[0])
        return [self._run([(states, weight.t()), (logits, weight)])]

    def _run(self, products: list[tuple[torch.Tensor, torch.Tensor]]) -> Callable[[], None]:
        outs = [torch.empty(left.shape[0], right.shape[1]) for left, right in products]
        self.flops += sum(2.0 * left.shape[0] * left.shape[1] * right.shape[1] for left, right in products)

        def run() -> None:
            for (left, right), out in zip(products, outs, strict=True):
                torch.mm(left, right, out=out)

        return run
