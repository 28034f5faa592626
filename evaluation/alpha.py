"""Krippendorff's alpha of ordinal values: how far those who judge the same things agree beyond chance.

After Krippendorff (2011), Computing Krippendorff's Alpha-Reliability: from the coincidences of values, for any number
of observers and with values missing, with his difference of ordinal values. Knows nothing about what is judged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import permutations, product


def ordinal_alpha(units: Iterable[Sequence[float]]) -> float | None:
    """1 where all agree, 0 where they agree as often as by chance, below 0 where they disagree systematically.

    Args:
        units: for each thing that was judged the values that it was given, in any order; one value alone is left out.

    Returns:
        None where it says nothing: there are no two values of the same thing, or all values are the same.
    """
    coincidences: dict[tuple[float, float], float] = defaultdict(float)
    for values in units:
        for pair in permutations(values, 2):
            coincidences[pair] += 1 / (len(values) - 1)
    totals: dict[float, float] = defaultdict(float)
    for (value, _), count in coincidences.items():
        totals[value] += count
    scale = sorted(totals)
    if len(scale) < 2:
        return None
    differences = {
        (one, other): (
            sum(totals[value] for value in scale if min(one, other) <= value <= max(one, other))
            - (totals[one] + totals[other]) / 2
        )
        ** 2
        for one, other in product(scale, repeat=2)
    }
    observed = sum(count * differences[pair] for pair, count in coincidences.items())
    expected = sum(totals[one] * totals[other] * difference for (one, other), difference in differences.items())
    return 1 - (sum(totals.values()) - 1) * observed / expected
