"""The drafts of one page: its entries in order, each with the statements above it at hand.

Knows nothing about how a single kind of question is composed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain

from curation.compose.advice import advice
from curation.compose.comparisons import Comparisons
from curation.compose.errors import errors, raises
from curation.compose.examples import Step, read_snippets
from curation.compose.imports import Imports
from curation.compose.narrative import Narrative
from curation.compose.parameters import parameters
from curation.compose.phrasings import load_phrasings
from curation.compose.questions import question
from curation.compose.records import record
from curation.compose.script import Example
from curation.compose.subject import Subject
from curation.compose.usage import printed_signature, returns, signature, usage
from curation.draft import Draft
from curation.entries import ApiEntry, Entry, QuestionEntry, RecordEntry, SectionEntry
from symbols.introspect import STDLIB
from symbols.table import SymbolTable

MAX_DRAFTS = 6
"""Drafts of one symbol."""
DRAFTS_A_CODE = 2
"""Drafts of one symbol with the same code."""
CONTEXT = 150
"""Statements above an entry that its own may build on."""


def compose_page(
    entries: Sequence[Entry], table: SymbolTable, seed: int, comparisons: Comparisons | None = None
) -> Iterator[Draft]:
    """Yield the drafts of one page.

    Args:
        entries: all entries of the page, in its order; entries without an address are pages of their own.
        table: what exists in the documented libraries.
        seed: chooses among phrasings, examples and mutations.
        comparisons: takes in what it needs of the documented objects.
    """
    for entry in entries:
        if isinstance(entry, RecordEntry):
            yield from record(entry, table)
    for entry, example, span in with_examples(entries, table):
        if isinstance(entry, ApiEntry):
            yield from _about_object(Subject(entry, example, span, table, seed), comparisons)
        elif isinstance(entry, SectionEntry):
            yield from Narrative(entry, example, span, table, seed).drafts()
        else:
            yield from question(entry, example, span, table)


def with_examples(
    entries: Sequence[Entry], table: SymbolTable
) -> Iterator[tuple[ApiEntry | SectionEntry | QuestionEntry, Example, range]]:
    """Each entry of a page that has text, with the statements up to its last, and the places of its own among them.

    Args:
        entries: all entries of the page, in its order; entries without an address are pages of their own.
        table: what exists in the documented libraries.
    """
    above: list[Step] = []
    page = ""
    for entry in entries:
        if not entry.origin.page or entry.origin.page != page:
            above, page = [], entry.origin.page
        if isinstance(entry, RecordEntry):
            continue
        own = read_snippets(
            entry.snippets
            if isinstance(entry, ApiEntry)
            else entry.content
            if isinstance(entry, SectionEntry)
            else entry.answer
        )
        context = [] if isinstance(entry, QuestionEntry) else above[-CONTEXT:]
        steps = [*context, *own]
        example = Example(steps, Imports(_module(entry), table, load_phrasings()))
        yield entry, example, range(len(context), len(steps))
        above.extend(own)


def _module(entry: Entry) -> str:
    """The module whose names an entry's code may take for granted."""
    if isinstance(entry, ApiEntry) and entry.documented.module:
        return entry.documented.module
    if entry.origin.package != STDLIB:
        return entry.origin.package.replace("-", "_")
    return entry.origin.page.rpartition("/")[2].removesuffix(".html")


def _about_object(subject: Subject, comparisons: Comparisons | None) -> Iterator[Draft]:
    if not subject.shows:
        if (draft := raises(subject) or printed_signature(subject)) is not None:
            yield draft
        return
    if comparisons is not None and not subject.entry.deprecated:
        comparisons.add(subject)
    first, script = usage(subject)
    wrong = list(errors(subject, script))
    found = chain(
        [first, *wrong[:1], returns(subject)],
        parameters(subject),
        [raises(subject), advice(subject, script), signature(subject), *wrong[1:]],
    )
    made = 0
    codes: Counter[str] = Counter()
    for draft in found:
        if draft is not None and codes[draft.code] < DRAFTS_A_CODE and made < MAX_DRAFTS:
            codes[draft.code] += 1
            made += 1
            yield draft
