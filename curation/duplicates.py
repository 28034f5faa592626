"""Duplicates among records; the first that comes stays.

duplicate           the same question was kept before
code-repeated       the same code is in as many kept records as may have it
near-duplicate      question, prose and code are nearly those of a kept record

Knows nothing about the sides of the split.
"""

from __future__ import annotations

from collections import Counter

from bundle.digests import digest_text
from bundle.records import Record
from curation.answer import code_of, normalised
from curation.reason import Reason
from curation.settings import Filters
from curation.shingles import Index, shingles


def code_hash(code: str) -> str:
    """A digest of code that is the same whatever its comments, white space and quotes."""
    return digest_text(normalised(code))


class Duplicates:
    """Judges records one by one; what it let through before is what the next are measured by."""

    def __init__(self, settings: Filters) -> None:
        self._settings = settings
        self._index = Index(settings.similarity)
        self._names: list[str] = []
        self._questions: dict[str, int] = {}
        self._codes: Counter[str] = Counter()
        self._first_with: dict[str, int] = {}

    def reason(self, record: Record) -> Reason | None:
        """Why the record is a duplicate; None where it is not, and then it counts as kept from here on."""
        question = digest_text(" ".join(record.question.lower().split()))
        if question in self._questions:
            return Reason("duplicate", f"the same question as {self._names[self._questions[question]]}")
        code = code_hash(code_of(record))
        if self._codes[code] >= self._settings.records_a_code:
            first = self._names[self._first_with[code]]
            return Reason("code-repeated", f"{self._codes[code]} records have this code; the first is {first}")
        one = shingles(record)
        for number, similarity in self._index.alike(one):
            return Reason("near-duplicate", f"{similarity:.2f} like {self._names[number]}")
        self._questions[question] = len(self._names)
        self._first_with.setdefault(code, len(self._names))
        self._codes[code] += 1
        self._index.add(one)
        self._names.append(_name(record))
        return None


def _name(record: Record) -> str:
    question = " ".join(record.instruction.split())
    shown = question if len(question) <= 100 else question[:99] + "…"
    return f"{record.provenance.symbol or record.provenance.package}: {shown}"
