"""The paired bootstrap: 95 % intervals of means and of their differences (Efron & Tibshirani 1993, chapter 13).

Questions are drawn anew with replacement; every candidate and every measure sees the same draws, so a difference
between two candidates is taken question by question. Knows nothing about what is measured.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

RESAMPLES = 2000
"""How often the questions are drawn anew."""


@dataclass(frozen=True)
class Series:
    """One measure of one candidate: its mean is the sum of `totals` over the sum of `weights`, question by question."""

    totals: Sequence[float]
    weights: Sequence[float]

    @classmethod
    def of(cls, values: Sequence[float]) -> Series:
        """A series in which every question weighs the same."""
        return cls(values, [1.0] * len(values))

    @property
    def mean(self) -> float:
        """The mean over all questions."""
        return sum(self.totals) / sum(self.weights)

    @property
    def each(self) -> list[float]:
        """The value of each question by itself; 0 of those that weigh nothing."""
        return [total / weight if weight else 0.0 for total, weight in zip(self.totals, self.weights, strict=True)]

    def resampled(self, draws: Sequence[Sequence[int]]) -> list[float]:
        """The mean in each draw."""
        total, weight = self.totals.__getitem__, self.weights.__getitem__
        return [sum(map(total, draw)) / (sum(map(weight, draw)) or 1) for draw in draws]


def draw_again(count: int, seed: int) -> list[list[int]]:
    """`RESAMPLES` draws of `count` question numbers each, with replacement."""
    generator = random.Random(seed)
    return [generator.choices(range(count), k=count) for _ in range(RESAMPLES)]


def interval(samples: Sequence[float]) -> tuple[float, float]:
    """The middle 95 % of resampled values: the percentile interval."""
    ordered = sorted(samples)
    tail = len(ordered) // 40
    return ordered[tail], ordered[-1 - tail]
