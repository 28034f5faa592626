"""Markdown as models write it, parsed: HTML is text (or every `<class 'int'>` would be lost), a host name is no link.

Knows nothing about what draws it.
"""

from __future__ import annotations

from markdown_it import MarkdownIt
from markdown_it.token import Token

from appliance.sanitise import clean


def parser() -> MarkdownIt:
    """A parser whose tokens hold nothing that a terminal must not get."""
    made = MarkdownIt("gfm-like", {"html": False, "linkify": False})
    made.core.ruler.push("fit", lambda state: _fit(state.tokens))
    return made


def _fit(tokens: list[Token]) -> None:
    """Sanitise the text of tokens once more: Markdown has turned entities such as `&#x202e;` into characters."""
    for token in tokens:
        token.content = clean(token.content)
        _fit(token.children or [])
