"""The corpus: raw entries as collected, one a line in corpus.jsonl. Knows nothing about questions or answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from bundle.records import Provenance
from symbols.introspect import Entry as Documented

CORPUS = "corpus.jsonl"


class Entry(BaseModel):
    """One raw entry: a documented object of an installed package."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    source: Literal["package"] = "package"
    """The kind of source that gave it."""
    documented: Documented
    """The object, with its docstring and its provenance."""

    def provenance(self, kind: str) -> Provenance:
        """The provenance of a record of this kind that is made from the entry."""
        one = self.documented
        return Provenance(
            source=self.source,
            package=one.package,
            version=one.version,
            symbol=one.symbol,
            kind=kind,
            licence=one.licence,
        )


def read_corpus(path: Path) -> Iterator[Entry]:
    """Yield the entries of a corpus file that this program wrote."""
    with path.open(encoding="utf-8") as handle:
        for line in handle:
            yield Entry.model_validate_json(line)
