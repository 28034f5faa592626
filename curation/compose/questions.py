"""Drafts from questions that people asked: the title, the answer's prose and its code.

Knows nothing about documented objects and sections.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.compose.narrative import MAX_SIZE, first_script, prose_of, without_title_case
from curation.compose.script import Example
from curation.compose.subject import provenance
from curation.compose.used import best_symbol
from curation.draft import Draft
from curation.entries import QuestionEntry
from symbols.table import SymbolTable


def question(entry: QuestionEntry, example: Example, own: range, table: SymbolTable) -> Iterator[Draft]:
    """The draft of a question; none where its answer has no Python that stands by itself."""
    title = titled(entry.title)
    lead, points = prose_of(entry.answer)
    script = first_script(example, own, MAX_SIZE)
    if title and lead and script is not None:
        symbol = best_symbol(script.code, entry.origin.package, table)
        yield Draft(title, lead, script.code, points, provenance(entry.origin, symbol, "question", False))


def titled(title: str) -> str:
    """A title as a question or a request: without tags, numbers and other ornaments; empty where little is left."""
    title = re.sub(
        r"^\s*(\[[^\]]*\]|(BUG|ENH|DOC|QST|PERF|REGR|API|TST)\s*:|Q:|#?\d+[.)]?)\s*", "", " ".join(title.split())
    )
    title = re.sub(r"\s*\[(solved|closed|duplicate|on hold)\]\s*$", "", title, flags=re.I).rstrip(" .¶")
    if len(title) < 12 or len(title) > 200:
        return ""
    title = title[0].upper() + title[1:]
    if title.endswith("?"):
        return "" if re.match(r"(Is|Are|Was) (?!there|it)", title) else without_title_case(title)
    asks = re.match(
        r"(how|what|why|when|where|which|who|is|are|can|could|does|do|did|should|will|would|has|have)\b", title, re.I
    )
    return f"{title}?" if asks else f"{title}. How is this solved?"
