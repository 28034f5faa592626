"""The body of a post in HTML, as Stack Exchange has it, as paragraphs, list items and code.

Headings, quotations, pictures and struck-out text are left out. Knows nothing about questions and answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from selectolax.lexbor import LexborHTMLParser, LexborNode

from curation.collectors.blocks import read_block
from curation.entries import Prose, Snippet

MAX_PIECES = 200
"""Paragraphs, items and blocks beyond which a body is cut."""
MAX_LOOKED = 1000
"""Elements beyond which nothing more is looked at: those that lie in one another are each read whole."""
_MAX_DEPTH = 30
_LEFT_OUT = frozenset(
    {"pre", "ul", "ol", "p", "blockquote", "img", "del", "s", "strike", "script", "style", "_comment"}
)
_MARKED = re.compile(r"\b(?:lang|language)-(\w+)")


def read_html(html: str) -> tuple[Prose | Snippet, ...]:
    """The paragraphs, list items and Python blocks of a body, in order."""
    body = LexborHTMLParser(html).body
    pieces: list[Prose | Snippet] = []
    if body is not None:
        for piece in _pieces(body):
            pieces.append(piece)
            if len(pieces) == MAX_PIECES:
                break
    return tuple(pieces)


def _pieces(body: LexborNode) -> Iterator[Prose | Snippet]:
    wanted = (node for node in body.traverse() if node.tag in ("pre", "p", "li"))
    for node in islice(wanted, MAX_LOOKED):
        if node.tag == "pre":
            piece = read_block(node.text(), _language(node))
            if piece is not None:
                yield piece
        else:
            text = " ".join("".join(_inline(node, 0)).split())
            parent = node.parent
            above = parent.tag if parent is not None else ""
            if text and above != "blockquote":
                yield Prose(text=text, role="item" if "li" in (node.tag, above) else "text")


def _language(node: LexborNode) -> str:
    """What a block is marked with, on itself or, as older bodies have it, in a comment that is gone."""
    match = _MARKED.search(node.attributes.get("class") or "")
    return match.group(1).lower() if match else ""


def _inline(node: LexborNode, depth: int) -> Iterator[str]:
    """The text of a paragraph or an item without the blocks in it, with code in backticks."""
    for child in node.iter(include_text=True):
        if child.tag == "-text":
            yield child.text_content or ""
        elif child.tag == "br":
            yield " "
        elif child.tag in ("code", "kbd"):
            text = " ".join(child.text().split())
            yield text if not text or "`" in text else f"`{text}`"
        elif child.tag not in _LEFT_OUT and depth < _MAX_DEPTH:
            yield from _inline(child, depth + 1)
