"""Full-text search over all conversations: their names and everything that was said.

Whatever is typed is a query: words that all have to be there, the last one perhaps unfinished, and phrases in quotation
marks. Knows nothing about what is shown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from appliance.conversations.store import Store

LIMIT = 100
"""Hits that are told at most."""
MARK, UNMARK = "\ue000", "\ue001"
"""Around each word that was found, in a hit's excerpt; of Unicode's private area, so that no text is taken for one."""
_TERM = re.compile(r'"([^"]*)"?|([^\s"]+)')


@dataclass(frozen=True)
class Hit:
    """A place where it was found."""

    conversation: int
    title: str
    message: int | None
    """None: it is the conversation's name."""
    excerpt: str
    """A few words around it, the found ones between `MARK` and `UNMARK`."""


def terms(text: str) -> list[str]:
    """The words and phrases that are looked for."""
    visible = "".join(character if character.isprintable() else " " for character in text[:1_000])
    found = (match[1] if match[1] is not None else match[2] for match in _TERM.finditer(visible))
    return [term.strip() for term in found if any(character.isalnum() or character == "_" for character in term)][:20]


def match_query(text: str) -> str:
    """What was typed as an FTS5 query in which nothing is syntax; empty where there is nothing to look for."""
    quoted = ['"' + term + '"' for term in terms(text)]
    open_ended = quoted and not text.rstrip().endswith('"')
    return " ".join(quoted) + ("*" if open_ended else "")


def search(store: Store, text: str, limit: int = LIMIT) -> list[Hit]:
    """Where all of `text`'s words are: names first, then messages, the best first."""
    query = match_query(text)
    if not query:
        return []
    words = terms(text)
    named = store.rows(
        "SELECT id, title FROM conversation WHERE deleted IS NULL"
        + " AND title LIKE ? ESCAPE '\\'" * len(words)
        + " ORDER BY changed DESC LIMIT ?",
        *("%" + re.sub(r"([%_\\])", r"\\\1", word) + "%" for word in words),
        limit,
    )
    said = store.rows(
        "SELECT m.id, m.conversation, c.title, snippet(message_text, 0, ?, ?, '…', 14) AS excerpt"
        " FROM message_text JOIN message m ON m.id = message_text.rowid JOIN conversation c ON c.id = m.conversation"
        " WHERE message_text MATCH ? AND c.deleted IS NULL ORDER BY message_text.rank, m.id DESC LIMIT ?",
        MARK,
        UNMARK,
        query,
        limit,
    )
    hits = [Hit(row["id"], row["title"], None, row["title"]) for row in named]
    hits += [Hit(row["conversation"], row["title"], row["id"], row["excerpt"]) for row in said]
    return hits[:limit]
