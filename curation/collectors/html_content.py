"""The content of a part of an HTML page, in order: paragraphs, list items, notes, Python code.

Tables, pictures, formulas of their own, footnotes and code in other languages are left out. What a caller has to look
at itself (sections, headings, API objects and what belongs to them) is handed over as it is. Works on any theme: it
knows Sphinx' own elements and classes, and nothing of what themes put around them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from itertools import chain
from typing import Literal

from selectolax.lexbor import LexborNode

from curation.collectors.blocks import read_block
from curation.collectors.html import MAX_DEPTH, TooDeepError, classes, to_line
from curation.entries import Prose, Snippet

MAX_PROSE = 4000
"""Characters beyond which a paragraph is left out."""
HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
API_KINDS = frozenset({
    "function", "method", "classmethod", "staticmethod", "decorator", "decoratormethod",
    "class", "exception", "property", "attribute", "data", "module", "describe",
})  # fmt: skip
"""Classes of the lists that describe Python objects."""
_CONTAINERS = frozenset({"div", "section", "blockquote", "main", "article", "details", "center", "span"})
_SKIPPED = frozenset({
    "contents", "local", "math", "line-block", "footnote", "citation", "graphviz", "figure",
    "versionadded", "versionchanged", "versionremoved", "code-block-caption", "cell_output", "nboutput", "prompt",
    "admonition-title", "topic-title", "caption", "sidebar", "sidebar-title", "centered", "prev-next-area",
})  # fmt: skip
_SKIPPED_TAGS = frozenset({"nav", "aside", "table", "figure"})
_REFERENCE = re.compile(r"(?:Source code|Module): ")
"""What a paragraph begins with that only names a file."""
_LISTS = frozenset({"simple", "docutils", "last", "first", "myst", "glossary"})
_LANGUAGES = {"default": "", "pycon3": "pycon", "ipythonconsole": "ipython", "ipython2": "ipython", "doctest": "pycon"}


def is_api(node: LexborNode) -> bool:
    """Whether an element describes Python objects."""
    if node.tag != "dl":
        return False
    found = classes(node)
    if "py" in found:
        return True
    # Sphinx 2 and older: no domain, except that names of C are marked.
    if not found & API_KINDS or found - API_KINDS - _LISTS:
        return False
    heads = [child.id or "" for child in node.iter() if child.tag == "dt"]
    return any(head and not head.startswith("c.") for head in heads)


def is_deprecation(node: LexborNode) -> bool:
    """Whether an element says that something is deprecated."""
    return node.tag == "div" and bool(classes(node) & {"deprecated", "deprecated-removed"})


def content(
    node: LexborNode, names: Set[str] = frozenset(), role: Literal["text", "item", "note"] = "text", depth: int = 0
) -> Iterator[Prose | Snippet | LexborNode]:
    """Yield what is in an element.

    Args:
        node: the element.
        names: words that are code where they are emphasised.
        role: the role of its paragraphs.
        depth: how many elements it is in.

    Yields:
        Prose and snippets in order, and these elements as they are: sections, headings, rubrics, API objects, field
        lists, deprecations and see-also boxes.

    Raises:
        TooDeepError: elements are more than `MAX_DEPTH` deep inside one another.
    """
    if depth > MAX_DEPTH:
        raise TooDeepError
    for child in node.iter():
        tag, found = child.tag or "", classes(child)
        if found & _SKIPPED or tag in _SKIPPED_TAGS:
            continue
        if _is_handed_over(child, tag, found):
            yield child
        elif tag == "p":
            text = to_line(child, names)
            if text and len(text) <= MAX_PROSE and not _REFERENCE.match(text):
                yield Prose(text=text, role=role)
        elif tag == "pre" or any(one.startswith("highlight-") for one in found) or found == {"highlight"}:
            if (snippet := _snippet(child, found)) is not None:
                yield snippet
        elif tag in ("ul", "ol", "dl"):
            yield from _items(child, names, "item" if role == "text" else role, depth + 1)
        elif "toctree-wrapper" in found:  # a table of contents, or the pages themselves where all are one
            yield from (inner for inner in child.iter() if inner.tag == "section" or "section" in classes(inner))
        elif tag in _CONTAINERS:
            yield from content(child, names, "note" if "admonition" in found else role, depth + 1)


def _is_handed_over(node: LexborNode, tag: str, found: Set[str]) -> bool:
    if tag in HEADINGS or tag == "section" or found & {"rubric", "field-list", "seealso"}:
        return True
    return (tag == "div" and "section" in found) or is_api(node) or is_deprecation(node)


def _items(node: LexborNode, names: Set[str], role: Literal["item", "note"], depth: int) -> Iterator[Prose | Snippet]:
    """The items of a list; those of a definition list with their term before their first paragraph."""
    if node.tag == "dl" and classes(node) - _LISTS:
        return
    term = ""
    for child in node.iter():
        if child.tag == "dt":
            term = to_line(child, names)
            continue
        text = to_line(child, names)
        pieces: Iterator[Prose | Snippet | LexborNode] = content(child, names, role, depth)
        for piece in chain([Prose(text=text, role=role)] if text and len(text) <= MAX_PROSE else [], pieces):
            if term and isinstance(piece, Prose):
                yield Prose(text=f"{term}: {piece.text}", role=role)
                term = ""
            elif isinstance(piece, Prose | Snippet):
                yield piece


def _snippet(node: LexborNode, found: Set[str]) -> Snippet | None:
    marked = next((one.removeprefix("highlight-") for one in found if one.startswith("highlight-")), "default")
    pre = node if node.tag == "pre" else node.css_first("td.code pre") or node.css_first("pre")
    if pre is None:
        return None
    for number in pre.css("span.linenos"):
        number.decompose()
    piece = read_block(pre.text(), _LANGUAGES.get(marked.lower(), marked.lower()))
    return piece if isinstance(piece, Snippet) else None
