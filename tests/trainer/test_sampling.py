"""The order of the records: every one once, little padding, no trend in the lengths."""

from __future__ import annotations

import itertools
import random

from trainer.sampling import LengthBatches


def batches(order: list[int], size: int) -> list[list[int]]:
    return [order[at : at + size] for at in range(0, len(order), size)]


def test_every_record_comes_once_a_pass_and_each_pass_differs() -> None:
    lengths = [random.Random(1).randint(10, 500) for _ in range(1003)]
    first, second = (list(LengthBatches(lengths, 4, 3, lambda number=number: number)) for number in (0, 1))
    assert sorted(first) == sorted(second) == list(range(1003))
    assert first != second


def test_a_pass_has_its_order_however_many_came_before_it_in_this_process() -> None:
    number = 0
    lengths = [random.Random(1).randint(10, 500) for _ in range(100)]
    sampler = LengthBatches(lengths, 4, 3, lambda: number)
    list(sampler)
    number = 1
    assert list(sampler) == list(LengthBatches(lengths, 4, 3, lambda: 1))


def test_batches_are_of_like_length_and_in_no_order() -> None:
    rng = random.Random(2)
    lengths = [rng.randint(10, 500) for _ in range(2000)]

    def padded(order: list[int]) -> int:
        return sum(4 * max(lengths[number] for number in batch) for batch in batches(order, 4))

    order = list(LengthBatches(lengths, 4, 0, lambda: 0))
    assert padded(order) < 1.05 * sum(lengths) < 0.7 * padded(list(range(2000)))
    longest = [max(lengths[number] for number in batch) for batch in batches(order, 4)]
    falls = sum(before > after for before, after in itertools.pairwise(longest))
    assert 0.4 < falls / len(longest) < 0.6
