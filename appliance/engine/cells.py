"""Who holds which cell of the shared memory: counts, so that nothing is promised twice.

A cell holds one token for every sequence that begins alike. llama.cpp says nothing about how many are free, so this
keeps the same books. Knows nothing about tokens or llama.cpp.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class Cells:
    """A number of cells, each held by any number of sequences."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._holders = [0] * size
        self._free = list(range(size))

    @property
    def free(self) -> int:
        """How many cells nobody holds."""
        return len(self._free)

    def take(self, count: int) -> list[int]:
        """Hold `count` free cells."""
        if count > len(self._free):
            raise AssertionError(f"{count} cells are wanted and {len(self._free)} are free")
        taken = [self._free.pop() for _ in range(count)]
        for cell in taken:
            self._holders[cell] = 1
        return taken

    def share(self, cells: Sequence[int]) -> list[int]:
        """Hold cells that others hold, too."""
        for cell in cells:
            self._holders[cell] += 1
        return list(cells)

    def drop(self, cells: Iterable[int]) -> None:
        """Hold cells no more."""
        for cell in cells:
            self._holders[cell] -= 1
            if not self._holders[cell]:
                self._free.append(cell)
