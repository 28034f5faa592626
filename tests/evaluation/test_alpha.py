"""Krippendorff's alpha, against worked examples that were published."""

from __future__ import annotations

import pytest

from evaluation.alpha import ordinal_alpha

# Krippendorff (2011), Computing Krippendorff's Alpha-Reliability, section C: four observers, twelve units, gaps.
FOUR = [
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
]
# The same, section A: two observers, ten units, two values, where every metric gives the same.
TWO = ["0 1 0 0 0 0 0 0 1 0", "1 1 1 0 0 1 0 0 0 0"]


def units(observers: list[str]) -> list[list[float]]:
    columns = zip(*(line.split() for line in observers), strict=True)
    return [[float(value) for value in column if value != "."] for column in columns]


@pytest.mark.parametrize(("observers", "published"), [(FOUR, 0.815), (TWO, 0.095)])
def test_published_examples(observers: list[str], published: float) -> None:
    alpha = ordinal_alpha(units(observers))
    assert alpha is not None and round(alpha, 3) == published


def test_neither_order_nor_lonely_values_matter() -> None:
    shuffled = [values[::-1] for values in units(FOUR)[::-1]]
    assert ordinal_alpha([*shuffled, [3.0], []]) == pytest.approx(ordinal_alpha(units(FOUR)))


def test_perfect_and_opposite() -> None:
    assert ordinal_alpha([[1, 1], [3, 3], [5, 5]]) == 1
    opposite = ordinal_alpha([[1, 5], [5, 1], [1, 5]])
    assert opposite is not None and opposite < 0


def test_a_near_miss_counts_less_than_a_far_one() -> None:
    agreed: list[list[float]] = [[one, one] for one in (1, 2, 3, 4, 5)]
    near, far = ordinal_alpha([*agreed, [1, 2]]), ordinal_alpha([*agreed, [1, 5]])
    assert near is not None and far is not None and near > far


@pytest.mark.parametrize("nothing", [[], [[1.0]], [[2.0, 2.0], [2.0, 2.0]], [[1.0], [2.0]]])
def test_where_it_says_nothing(nothing: list[list[float]]) -> None:
    assert ordinal_alpha(nothing) is None
