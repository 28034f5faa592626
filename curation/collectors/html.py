"""A paragraph of HTML as Markdown on one line: code in backticks, links as their text, no emphasis.

Knows nothing about pages and their parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set

from selectolax.lexbor import LexborNode

MAX_DEPTH = 100
"""Elements inside one another beyond which a page isn't read."""
_CODE = frozenset({"code", "tt", "kbd", "samp"})
_LEFT_OUT = frozenset({
    "pre", "ul", "ol", "dl", "table", "div", "p", "blockquote", "img", "svg", "script", "style", "math", "button",
    "input", "section", "aside", "nav", "figure",
})  # fmt: skip
_NO_TEXT = frozenset({"headerlink", "footnote-reference", "viewcode-link", "viewcode-back", "problematic", "linenos"})


class TooDeepError(Exception):
    """A page's elements are too deep inside one another."""


def classes(node: LexborNode) -> frozenset[str]:
    """The classes of an element."""
    return frozenset((node.attributes.get("class") or "").split())


def to_line(node: LexborNode, names: Set[str] = frozenset()) -> str:
    """The text directly in an element, without blocks in it.

    Args:
        node: the element.
        names: words that are code where they are emphasised, as the standard library marks parameters.

    Raises:
        TooDeepError: see `MAX_DEPTH`.
    """
    return " ".join("".join(_inline(node, names, 0)).split())


def to_text(node: LexborNode) -> str:
    """The plain text of an element, as in a heading, without marks for links."""
    return " ".join("".join(_plain(node, 0)).split())


def as_code(text: str) -> str:
    """A text in backticks; in two where it has some itself."""
    text = " ".join(text.split())
    if not text or "``" in text:
        return text
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def _inline(node: LexborNode, names: Set[str], depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH:
        raise TooDeepError
    for child in node.iter(include_text=True):
        tag = child.tag or ""
        if tag == "-text":
            yield child.text_content or ""
        elif tag in _CODE:
            yield as_code(child.text())
        elif tag == "br":
            yield " "
        elif tag in ("em", "cite") and _is_code(child, names):
            yield as_code(child.text())
        elif tag in ("span", "a") and (found := classes(child)) & (_NO_TEXT | {"math"}):
            if "math" in found:
                yield f"${_formula(child.text())}$"
        elif tag not in _LEFT_OUT:
            yield from _inline(child, names, depth + 1)


def _is_code(node: LexborNode, names: Set[str]) -> bool:
    """Whether emphasis is a name: numpydoc's single backticks come as citations."""
    text = node.text()
    return (
        text in names or "xref" in classes(node) or (node.tag == "cite" and re.fullmatch(r"[\w.]+", text) is not None)
    )


def _plain(node: LexborNode, depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH:
        raise TooDeepError
    for child in node.iter(include_text=True):
        if child.tag == "-text":
            yield child.text_content or ""
        elif child.tag not in _LEFT_OUT and not (child.tag in ("a", "span") and classes(child) & _NO_TEXT):
            yield from _plain(child, depth + 1)


def _formula(text: str) -> str:
    return re.sub(r"^\\\(|\\\)$", "", text.strip())
