"""Records with documentation before the question, so that a model learns to read before it answers.

What stands there is what the appliance would find, by the same code: mostly the right passage among others, else
others alone, beside which the answer stays what it was. Some are about a name that doesn't exist, as a line before the
question says; there the answer says that the documentation doesn't cover it, and what is nearest. Such an answer always
has that line to go by: a small model that was to find out by itself that the right passage was missing said so of
passages that were there. The rest stay as they are. (After RAFT: Zhang et al. 2024, arXiv 2403.10131.) Passages about
what is held out stand before no question. Knows nothing about tokens: lengths are in characters.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from bundle.documentation import Documentation
from bundle.grounding import Grounding, fitting, not_covered
from bundle.passages import DOCUMENTATION, Passage
from bundle.records import Record
from bundle.retrieval import find, missing
from curation.settings import Grounded
from curation.split import is_held_out, position
from symbols.table import SymbolTable

_LOOKED_AT = 12
"""Passages that are found before those about held-out symbols are taken out."""
_ENDINGS = ("_all", "_by", "_with", "_to", "_if", "_from", "_each", "_at")
"""What makes a name that doesn't exist of one that does."""


def ground_records(
    records: Sequence[Record], dataset: Path, table: SymbolTable, settings: Grounded, held_out: float
) -> list[Record]:
    """The records, a share of them with documentation, in their order; the same ones each time.

    Args:
        records: those that are trained on.
        dataset: the folder with the index.
        table: what exists.
        settings: how many, and how long.
        held_out: the share of the symbols that is held out.
    """
    if not settings.share:
        return list(records)
    with Documentation(dataset / DOCUMENTATION) as documentation:
        composer = _Composer(documentation, table, settings, held_out)
        return [composer.grounded(record) for record in records]


class _Composer:
    def __init__(self, documentation: Documentation, table: SymbolTable, settings: Grounded, held_out: float) -> None:
        self._documentation = documentation
        self._table = table
        self._settings = settings
        self._held_out = held_out

    def grounded(self, record: Record) -> Record:
        """The record as it is, with what is found for it, or as a question about what there isn't."""
        if position(record.digest, "grounded") >= self._settings.share:
            return record
        passages = self._found(record.question)
        if not passages:
            return record
        right = any(_is_about(one, record) for one in passages)
        if right and position(record.digest, "missing") < self._settings.missing:
            return self._uncovered(record) or record
        return record.model_copy(update={"documentation": self._grounding(record.question, passages).text()})

    def _uncovered(self, record: Record) -> Record | None:
        """The question about a name that there isn't, and the answer that says so."""
        symbol = record.provenance.symbol
        if not symbol:
            return None
        name = self._made_up(record)
        question = re.sub(rf"(?<![\w.]){re.escape(symbol)}(?!\w)", name, record.question)
        found = self._found(question)
        grounding = self._grounding(question, found)
        if not found or name not in grounding.missing:
            return None
        # What the name was made of is the nearest thing that there is.
        asked = {"instruction": question, "input": "", "output": not_covered(name, found)}
        return record.model_copy(update={**asked, "documentation": grounding.text()})

    def _made_up(self, record: Record) -> str:
        """A name much like the record's, that doesn't exist."""
        symbol = record.provenance.symbol
        start = int(position(record.digest, "ending") * len(_ENDINGS))
        endings = (*_ENDINGS[start:], *_ENDINGS[:start])
        return next((symbol + one for one in endings if not self._table.exists(symbol + one)), symbol + "_it")

    def _found(self, question: str) -> list[Passage]:
        found = (one.passage for one in find(self._documentation, [question], _LOOKED_AT))
        return [one for one in found if not self._is_held_out(one)][: self._settings.passages]

    def _is_held_out(self, passage: Passage) -> bool:
        return is_held_out(passage.symbol or passage.url.partition("#")[0], self._held_out)

    def _grounding(self, question: str, passages: Sequence[Passage]) -> Grounding:
        unknown = missing(self._documentation, question, self._table.exists)
        return fitting(passages, unknown, self._settings.characters, len)


def _is_about(passage: Passage, record: Record) -> bool:
    provenance = record.provenance
    return bool(provenance.symbol and passage.symbol == provenance.symbol) or bool(
        provenance.url and passage.url == provenance.url
    )
