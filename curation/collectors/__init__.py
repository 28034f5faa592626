"""Collectors: each reads one source and yields its raw entries. They know nothing about drafts and records.

A collector streams, page by page; it never holds a source in memory, and never writes anywhere but in its cache
folder. A fault of one page, post or line is a `Dropped`; a fault of the whole source is a SourceError.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from curation.entries import Dropped, Entry


class Collector(Protocol):
    """Reads one source."""

    @property
    def name(self) -> str:
        """What it reads, for progress and messages."""

    def collect(self) -> Iterator[Entry | Dropped]:
        """Yield the source's entries; those of one page follow one another.

        Raises:
            SourceError: the source can't be read, or has nothing in it.
        """
