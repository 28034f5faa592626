"""The order of the records: every one once, little padding, no trend in the lengths."""

from __future__ import annotations

import itertools
import random

from trainer.sampling import LengthBatches


def batches(order: list[int], size: int) -> list[list[int]]:
    return [order[at : at + size] for at in range(0, len(order), size)]


def test_every_record_comes_once_a_pass_and_each_pass_differs() -> None:
    lengths = [random.Random(1).randint(10, 500) for _ in range(1003)]
    sampler = LengthBatches(lengths, 4, seed=3)
    first, second = list(sampler), list(sampler)
    assert sorted(first) == sorted(second) == list(range(1003))
    assert first != second
    assert first == list(LengthBatches(lengths, 4, seed=3))


def test_batches_are_of_like_length_and_in_no_order() -> None:
    rng = random.Random(2)
    lengths = [rng.randint(10, 500) for _ in range(2000)]

    def padded(order: list[int]) -> int:
        return sum(4 * max(lengths[number] for number in batch) for batch in batches(order, 4))

    order = list(LengthBatches(lengths, 4, seed=0))
    assert padded(order) < 1.05 * sum(lengths) < 0.7 * padded(list(range(2000)))
    longest = [max(lengths[number] for number in batch) for batch in batches(order, 4)]
    falls = sum(before > after for before, after in itertools.pairwise(longest))
    assert 0.4 < falls / len(longest) < 0.6
