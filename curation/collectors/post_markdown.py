"""The body of a post in Markdown, as GitHub has it, as paragraphs, list items and code.

Headings and check lists (they are the form that was filled in), quoted replies, pictures and HTML with its comments
are left out. Knows nothing about issues and discussions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from curation.collectors.blocks import read_block
from curation.entries import Prose, Snippet

MAX_PIECES = 200
"""Paragraphs, items and blocks beyond which a body is cut."""
_PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
_QUOTED = re.compile(r"^On\b.{4,100}\bwrote:$")
_CHECKED = re.compile(r"^\[[ xX]\] ")


def read_markdown(text: str) -> tuple[Prose | Snippet, ...]:
    """The paragraphs, list items and Python blocks of a body, in order."""
    pieces: list[Prose | Snippet] = []
    for piece in _pieces(_PARSER.parse(text)):
        pieces.append(piece)
        if len(pieces) == MAX_PIECES:
            break
    return tuple(pieces)


def _pieces(tokens: Sequence[Token]) -> Iterator[Prose | Snippet]:
    around: list[str] = []
    for token in tokens:
        if token.nesting == 1:
            around.append(token.type.removesuffix("_open"))
        elif token.nesting == -1:
            around.pop()
        elif "blockquote" in around:
            continue
        elif token.type in ("fence", "code_block"):
            words = token.info.strip().strip("{.}").lower().split()
            if (piece := read_block(token.content, words[0] if words else "")) is not None:
                yield piece
        elif token.type == "inline" and around[-1:] == ["paragraph"]:
            text = " ".join("".join(_inline(token.children or ())).split())
            if text and not _QUOTED.match(text) and not _CHECKED.match(text):
                yield Prose(text=text, role="item" if "list_item" in around else "text")


def _inline(tokens: Sequence[Token]) -> Iterator[str]:
    struck = 0
    for token in tokens:
        struck += token.nesting if token.type.startswith("s_") else 0
        if struck:
            continue
        if token.type == "text":
            yield token.content
        elif token.type == "code_inline":
            yield token.content if "`" in token.content else f"`{token.content}`"
        elif token.type in ("softbreak", "hardbreak"):
            yield " "
