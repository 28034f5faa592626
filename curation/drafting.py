"""Drafting: a source's entries composed, masked and cleaned, from the disk where nothing has changed.

Knows nothing about how a draft is composed, nor about running it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from bundle.atomic import atomic_open
from bundle.digests import digest_value
from bundle.stage import Progress
from curation.collect import pages
from curation.compose import Comparisons, compose_page
from curation.draft import Draft
from curation.entries import ApiEntry, Dropped
from curation.filters import Cleaning
from curation.masking import mask_draft
from curation.reason import Reason
from curation.settings import CurationSettings
from symbols.table import SymbolTable

FORMAT = 4
"""Raised when the same entries would be composed, masked or cleaned in another way."""


class Drafted(BaseModel):
    """A draft, and what was found in it."""

    model_config = ConfigDict(frozen=True)

    draft: Draft
    masked: tuple[str, ...] = ()
    """Secrets and personal data that were masked, by their kind."""
    reason: Reason | None = None
    """Why it isn't clean."""


class Drafting:
    """Composes sources; `table` is that of all libraries, and `digest` tells it from others."""

    def __init__(self, settings: CurationSettings, table: SymbolTable, digest: str, cache: Path) -> None:
        self._settings = settings
        self._table = table
        self._parts = [FORMAT, settings.filters.model_dump(mode="json"), settings.seed, digest]
        self._cache = cache

    def drafts(self, corpus: Path, progress: Progress) -> Iterator[Drafted]:
        """What a source's entries give.

        Args:
            corpus: the source's entries; the file's name is the digest of what it was made from.
            progress: told what is being done.
        """
        path = self._cache / f"{digest_value([*self._parts, corpus.name])[:16]}.jsonl"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_open(path) as handle:
                for one in self._compose(corpus, progress):
                    handle.write(one.model_dump_json() + "\n")
        with path.open(encoding="utf-8") as handle:
            for line in handle:
                yield Drafted.model_validate_json(line)

    def _compose(self, corpus: Path, progress: Progress) -> Iterator[Drafted]:
        cleaning = Cleaning(self._settings.filters, self._table)
        comparisons = Comparisons(self._settings.seed)
        count = 0
        for page in pages(corpus):
            if isinstance(page, Dropped):
                continue
            cleaning.deprecated.update(
                one.documented.symbol for one in page if isinstance(one, ApiEntry) and one.deprecated
            )
            drafts = compose_page(page, self._table, self._settings.seed, comparisons)
            yield from self._cleaned(drafts, cleaning)
            count += len(page)
            progress("composing", count, 0, "entries")
        yield from self._cleaned(comparisons.drafts(), cleaning)

    @staticmethod
    def _cleaned(drafts: Iterable[Draft], cleaning: Cleaning) -> Iterator[Drafted]:
        for draft in drafts:
            masked, found = mask_draft(draft)
            yield Drafted(draft=masked, masked=tuple(found), reason=cleaning.judge(masked))
