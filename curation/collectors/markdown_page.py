"""A Markdown file as entries, section by section; MkDocs' admonitions and tabs are read too.

HTML in it is dropped, not interpreted; so are tables and pictures. Knows nothing about other files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.admon import admon_plugin
from mdit_py_plugins.front_matter import front_matter_plugin

from curation.collectors.blocks import read_block
from curation.collectors.html import as_code
from curation.collectors.html_content import MAX_PROSE
from curation.collectors.pages import Page
from curation.collectors.sections import section_entry
from curation.entries import Dropped, Entry, Origin, Prose, Snippet

_PARSER = MarkdownIt("commonmark").enable("table").use(admon_plugin).use(front_matter_plugin)
# MkDocs' tabs have the form of its admonitions.
_TAB = re.compile(r'^([ \t]*)===!?\+? ("[^"\n]*")[ \t]*$', re.MULTILINE)
_LEFT_OUT = re.compile(r"::: |--8<--|\{%")
"""What a paragraph begins with that another program replaces."""
_NO_LANGUAGE = frozenset({"code-block", "code", "code-cell", "sourcecode"})


class MarkdownReader:
    """Reads Markdown files, one after another."""

    def __init__(self, origin: Origin) -> None:
        """`origin` is what all entries have in common."""
        self._origin = origin

    def read(self, page: Page) -> list[Entry | Dropped]:
        """The entries of a file; `page` has its text where a page has its HTML."""
        try:
            text = page.html.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            return [Dropped(code="broken-page", detail=f"not UTF-8 ({error.reason})", where=page.path)]
        if "\0" in text:
            return [Dropped(code="broken-page", detail="not a text", where=page.path)]
        origin = self._origin.model_copy(update={"url": page.url})
        return list(_sections(_PARSER.parse(_TAB.sub(r"\1!!! tab \2", text)), origin, _name(page.path)))


def _sections(tokens: Sequence[Token], origin: Origin, title: str) -> Iterator[Entry]:
    """Yield the sections; `title` stands for the title of a file that has none."""
    headings: list[tuple[int, str]] = [(0, title)]
    pieces: list[Prose | Snippet] = []
    anchor = ""
    around: list[Token] = []
    for token in tokens:
        if token.nesting == 1:
            around.append(token)
        elif token.nesting == -1:
            around.pop()
        elif token.type == "inline" and around and around[-1].type == "heading_open":
            if pieces:
                yield section_entry(origin, anchor, _titles(headings), pieces)
            pieces = []
            text = _line(token, plain=True)
            level = int(around[-1].tag[1])
            headings = [*(one for one in headings if one[0] < level), (level, text)]
            anchor = _slug(text)
        elif (piece := _piece(token, [one.type for one in around])) is not None:
            pieces.append(piece)
    if pieces:
        yield section_entry(origin, anchor, _titles(headings), pieces)


def _titles(headings: Sequence[tuple[int, str]]) -> list[str]:
    """The headings down to a section; the file's name only where it has no other."""
    found = [text for _, text in headings if text]
    return found[1:] if len(headings) > 1 and headings[1][0] == 1 and len(found) > 1 else found


def _piece(token: Token, around: Sequence[str]) -> Prose | Snippet | None:
    if token.type in ("fence", "code_block"):
        piece = read_block(token.content, _language(token.info))
        return piece if isinstance(piece, Snippet) else None
    if token.type != "inline" or around[-1:] != ["paragraph_open"]:
        return None
    text = _line(token)
    if not text or len(text) > MAX_PROSE or _LEFT_OUT.match(text):
        return None
    notes = [one for one in around if one == "admonition_open"]
    return Prose(text=text, role="note" if notes else "item" if "list_item_open" in around else "text")


def _language(info: str) -> str:
    """The language of a fence: ```python title="x"```, ```{.py .annotate}```, ```{code-block} python```."""
    words = [word.strip("{}.,").lower() for word in info.split()]
    return next((word for word in words if word and word not in _NO_LANGUAGE), "")


def _line(token: Token, plain: bool = False) -> str:
    """The text of a paragraph or, without backticks, of a heading."""
    parts: list[str] = []
    for child in token.children or ():
        if child.type == "text":
            parts.append(child.content)
        elif child.type == "code_inline":
            parts.append(child.content if plain else as_code(child.content))
        elif child.type in ("softbreak", "hardbreak"):
            parts.append(" ")
    text = " ".join("".join(parts).split())
    return re.sub(r"\s*\{\s*[#.:][^{}]*\}$", "", text)  # an attribute list


def _slug(text: str) -> str:
    """The anchor that a heading gets."""
    return re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-")


def _name(path: str) -> str:
    """A title from a file's name."""
    folder, _, last = path.rpartition("/")
    stem = last.rpartition(".")[0] or last
    return folder.rpartition("/")[2] if stem.lower() in ("index", "readme") and folder else stem
