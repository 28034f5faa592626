"""A page that Sphinx built as entries, in the page's order, whatever its theme. Knows nothing about other pages.

A section's content comes as one entry; where API objects stand between its paragraphs, as one before and one behind
them, since the code behind may build on theirs.
"""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from curation.collectors.html import MAX_DEPTH, TooDeepError, classes, to_text
from curation.collectors.html_api import ApiObject, read_objects
from curation.collectors.html_content import HEADINGS, content, is_api, is_deprecation
from curation.collectors.inventory import Inventory
from curation.collectors.pages import Page
from curation.collectors.sections import section_entry
from curation.entries import ApiEntry, Dropped, Entry, Origin, Prose, Snippet
from symbols.introspect import Entry as Documented
from symbols.table import BUILTINS

_MAIN = (
    "article.bd-article", "article[role=main]", "[itemprop=articleBody]", "div.body", "[role=main]", "main", "article",
)  # fmt: skip


class PageReader:
    """Reads the pages of one documentation, one after another."""

    def __init__(self, origin: Origin, inventory: Inventory | None) -> None:
        """Args: what all entries have in common, and the documentation's inventory."""
        self._origin = origin
        self._symbols = inventory.symbols if inventory else {}
        self._modules = inventory.modules if inventory else frozenset()
        self._seen: set[str] = set()

    def read(self, page: Page) -> list[Entry | Dropped]:
        """The entries of a page, or why it has none."""
        try:
            main = _main(page.html)
            if main is None:
                return [Dropped(code="no-content", detail="no main content in it", where=page.path)]
            return _Walk(self, page, self._origin.model_copy(update={"url": page.url})).walk(main)
        except (TooDeepError, RecursionError):
            detail = f"more than {MAX_DEPTH} elements inside one another"
            return [Dropped(code="too-deep", detail=detail, where=page.path)]
        except SelectolaxError as error:
            return [Dropped(code="broken-page", detail=str(error), where=page.path)]

    def is_repeated(self, symbol: str, path: str) -> bool:
        """Whether an object is described elsewhere: on the page that the inventory names, or on one read before."""
        here = self._symbols.get(symbol, path)
        if symbol in self._seen or here.removesuffix("index.html") != path.removesuffix("index.html"):
            return True
        self._seen.add(symbol)
        return False

    def module_of(self, symbol: str, inside: bool) -> str:
        """The module of an object; `inside` tells whether it belongs to a class."""
        module = symbol.rpartition(".")[0]
        while module:
            if module in self._modules:
                return module
            module = module.rpartition(".")[0]
        parent = symbol.rpartition(".")[0]
        return (parent.rpartition(".")[0] if inside else parent) or BUILTINS


class _Walk:
    """Reads one page."""

    def __init__(self, reader: PageReader, page: Page, origin: Origin) -> None:
        self._reader = reader
        self._path = page.path
        self._origin = origin
        self._entries: list[Entry | Dropped] = []
        self._deprecated: set[str] = set()
        self._repeated: list[str] = []

    def walk(self, main: LexborNode) -> list[Entry | Dropped]:
        self._section(main, (), 0)
        if self._repeated:
            detail = f"{len(self._repeated)} objects are described elsewhere too, e.g. {self._repeated[0]}"
            self._entries.append(Dropped(code="repeated", detail=detail, where=self._path))
        return self._entries

    def _section(self, node: LexborNode, above: tuple[str, ...], depth: int) -> None:
        if depth > MAX_DEPTH:
            raise TooDeepError
        title, anchor = "", node.id or ""
        pieces: list[Prose | Snippet] = []

        def flush() -> None:
            headings = (*above, title) if title else above
            if pieces and headings:
                self._entries.append(section_entry(self._origin, anchor, headings, pieces))
            pieces.clear()

        for piece in content(node):
            if isinstance(piece, Prose | Snippet):
                pieces.append(piece)
            elif is_api(piece):
                flush()
                self._api(piece, depth + 1)
            elif piece.tag in HEADINGS:
                flush()
                title = to_text(piece)
            elif is_deprecation(piece):
                self._note_module(piece, anchor)
            elif piece.tag == "section" or "section" in classes(piece):
                flush()
                self._section(piece, (*above, title) if title else above, depth + 1)
        flush()

    def _note_module(self, deprecation: LexborNode, anchor: str) -> None:
        module = anchor.removeprefix("module-")
        text = to_text(deprecation.css_first("p") or deprecation)
        if re.search(rf"\b(?:this|the {re.escape(module)}) module is deprecated", text, re.IGNORECASE):
            self._deprecated.add(module)

    def _api(self, node: LexborNode, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise TooDeepError
        for found in read_objects(node):
            for name in found.names:
                if self._reader.is_repeated(name, self._path):
                    self._repeated.append(name)
                else:
                    self._entries.append(self._entry(found, name))
            for inner in found.inner:
                self._api(inner, depth + 1)

    def _entry(self, found: ApiObject, name: str) -> ApiEntry:
        origin = self._origin.model_copy(update={"url": f"{self._origin.url}#{name}"})
        inside = found.kind in ("method", "property")
        deprecated = found.deprecated or any(name.startswith(f"{module}.") for module in self._deprecated)
        documented = Documented(
            symbol=name,
            module=self._reader.module_of(name, inside),
            receiver=name.rpartition(".")[0] if inside else "",
            kind=found.kind,
            parameters=found.parameters,
            returns="",
            docstring="",
            deprecated=deprecated,
            package=origin.package,
            version=origin.version,
            licence=origin.licence,
        )
        return ApiEntry(
            origin=origin, documented=documented, doc=found.doc, snippets=found.snippets, deprecated=deprecated
        )


def _main(html: bytes) -> LexborNode | None:
    """The element that has the page's content."""
    tree = LexborHTMLParser(html)
    for selector in _MAIN:
        if (main := tree.css_first(selector)) is not None:
            return main
    return None
