"""The exact sign test of a pair (Conover 1999, section 3.4): could so many questions go one way by chance?

Of questions that are right or wrong it is McNemar's exact test. It takes no account of how much better an answer is,
so it supposes nothing about how the differences are spread. Knows nothing about what is measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb


def chance(p: float) -> str:
    """p, as it is shown."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def sign_test(first: Sequence[float], second: Sequence[float]) -> float:
    """Two-sided p: how likely at least such an imbalance is where either value of a pair is as likely the larger.

    The sequences run along the questions; pairs of equal values say nothing and are left out. 1 where all are equal.
    """
    rises = sum(b > a for a, b in zip(first, second, strict=True))
    falls = sum(b < a for a, b in zip(first, second, strict=True))
    count, fewer = rises + falls, min(rises, falls)
    return min(1.0, 2 * sum(comb(count, number) for number in range(fewer + 1)) / 2**count)
