"""Drafting: a source's entries composed, masked and cleaned, from the disk where nothing has changed.

Knows nothing about how a draft is composed, nor about running it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bundle.atomic import atomic_open
from bundle.digests import digest_file, digest_value
from bundle.stage import Progress
from curation.cleaning import Drafted, write_cleaned
from curation.collect import pages
from curation.compose import Comparisons, compose_page
from curation.draft import Draft
from curation.entries import Dropped
from curation.settings import CurationSettings
from symbols.table import SymbolTable

FORMAT = 7
"""Raised when the same entries would be composed, masked or cleaned in another way."""


class Drafting:
    """Composes sources; `table` is that of all libraries, and `digest` tells it from others."""

    def __init__(self, settings: CurationSettings, table: SymbolTable, digest: str, cache: Path) -> None:
        self._settings = settings
        self._table = table
        self._parts = [FORMAT, settings.filters.model_dump(mode="json"), settings.seed, digest]
        self._cache = cache

    def drafts(self, corpus: Path, progress: Progress) -> Iterator[Drafted]:
        """What the entries of a source's file give.

        Args:
            corpus: the entries.
            progress: told what is being done.
        """
        path = self._cache / f"{digest_value([*self._parts, digest_file(corpus)])[:16]}.jsonl"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_open(path) as handle:
                drafts = self._compose(corpus, progress)
                write_cleaned(drafts, self._settings.filters, self._table, handle.buffer)
        with path.open(encoding="utf-8") as handle:
            for line in handle:
                yield Drafted.model_validate_json(line)

    def _compose(self, corpus: Path, progress: Progress) -> Iterator[Draft]:
        comparisons = Comparisons(self._settings.seed)
        count = 0
        for page in pages(corpus):
            if isinstance(page, Dropped):
                continue
            yield from compose_page(page, self._table, self._settings.seed, comparisons)
            count += len(page)
            progress("composing", count, 0, "entries")
        yield from comparisons.drafts()
