"""The order of the records: those of like length in one batch, so that little of it is padding; the batches shuffled.

transformers' own sampler sorts the batches of a stretch from long to short, and a run of minutes sees one stretch: its
rate would fall with the length. Knows nothing about what the records say.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from torch.utils.data import Sampler

STRETCH = 50
"""Batches whose records are sorted together: enough for little padding, few enough that neighbours differ each pass."""


class LengthBatches(Sampler[int]):
    """Yields record numbers so that each run of `batch_size` of them is a batch of like lengths."""

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int, current: Callable[[], int]) -> None:
        """`lengths` are the records' lengths in tokens; each pass over them has its own order, given by the seed.

        `current` tells the number of the pass that begins, so that a run that goes on from a checkpoint in the second
        pass has the second's order.
        """
        self._lengths = lengths
        self._batch_size = batch_size
        self._seed = seed
        self._current = current

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        order = list(range(len(self._lengths)))
        shuffler = random.Random(self._seed + self._current())
        shuffler.shuffle(order)
        stretch = STRETCH * self._batch_size
        batches = []
        for start in range(0, len(order), stretch):
            alike = sorted(order[start : start + stretch], key=self._lengths.__getitem__)
            batches += [alike[at : at + self._batch_size] for at in range(0, len(alike), self._batch_size)]
        # A last batch that isn't full stays last, or every batch after it would begin in the middle of another.
        last = [batches.pop()] if batches and len(batches[-1]) < self._batch_size else []
        shuffler.shuffle(batches)
        for batch in batches + last:
            yield from batch
