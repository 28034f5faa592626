"""A section of a page as an entry: a question where its heading is one. Knows nothing about HTML and Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from curation.entries import Origin, Prose, QuestionEntry, SectionEntry, Snippet

MAX_PIECES = 500
"""Paragraphs, items and snippets beyond which a section is cut."""
_FAQ = re.compile(r"\bFAQs?\b|\bfrequently asked\b", re.IGNORECASE)


def section_entry(
    origin: Origin, anchor: str, headings: Sequence[str], pieces: Sequence[Prose | Snippet]
) -> SectionEntry | QuestionEntry:
    """The entry of a section.

    Args:
        origin: where the page comes from, with its address.
        anchor: the section's name in the page; empty for none.
        headings: the page's title and the headings down to the section; at least one.
        pieces: what the section itself has, in order; at least one.
    """
    if anchor:
        origin = origin.model_copy(update={"url": f"{origin.url}#{anchor}"})
    if is_question(headings):
        return QuestionEntry(origin=origin, title=headings[-1], answer=tuple(pieces[:MAX_PIECES]))
    return SectionEntry(origin=origin, headings=tuple(headings), content=tuple(pieces[:MAX_PIECES]))


def is_question(headings: Sequence[str]) -> bool:
    """Whether the last heading asks something, or complains about it on a page of frequently asked questions."""
    if headings[-1].endswith("?"):
        return True
    return any(_FAQ.search(above) for above in headings[:-1]) and headings[-1].count(" ") >= 3
