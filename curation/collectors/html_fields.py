"""The field list of an API object: parameters, returns, raises; in numpydoc's, napoleon's and Sphinx' own forms.

Knows nothing about the rest of an object's description.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from selectolax.lexbor import LexborNode

from curation.collectors.html import to_line, to_text
from curation.docstring import Section

_PARAMETERS = frozenset({
    "parameters", "parameter", "other parameters", "keyword arguments", "keyword args", "arguments", "args",
})  # fmt: skip
_RETURNS = frozenset({"returns", "return", "yields", "yield"})
_RAISES = frozenset({"raises", "raise", "throws"})
_NAME = re.compile(r"\*{0,2}[^\W\d][\w.]*")
_MAX_FIELDS = 200


class Fields:
    """What the field lists of one object say."""

    def __init__(self) -> None:
        self.parameters: dict[str, Section] = {}
        self.returns: Section | None = None
        self.raises: dict[str, str] = {}

    def read(self, fields: LexborNode) -> None:
        """Add what a field list says; the first word of a parameter stays."""
        for title, body in _fields(fields):
            if title in _PARAMETERS:
                for name, type_, text in _items(body):
                    for one in name.split(","):
                        if len(self.parameters) < _MAX_FIELDS and _NAME.fullmatch(one.strip()):
                            self.parameters.setdefault(one.strip().lstrip("*"), Section(type_, text))
            elif title in _RETURNS and self.returns is None:
                self.returns = _returned(body)
            elif title in ("return type", "rtype"):
                type_ = _first(body)
                self.returns = Section(type_, self.returns.text if self.returns is not None else "")
            elif title in _RAISES:
                for name, _, text in _items(body):
                    if len(self.raises) < _MAX_FIELDS and _NAME.fullmatch(name):
                        self.raises.setdefault(name, text)


def _fields(node: LexborNode) -> Iterator[tuple[str, LexborNode]]:
    title = ""
    for child in node.iter():
        if child.tag == "dt":
            title = to_text(child).strip(" :").lower()
        elif child.tag == "dd":
            yield title, child


def _items(body: LexborNode) -> Iterator[tuple[str, str, str]]:
    """The items of a field as name, type and text."""
    for child in body.iter():
        if child.tag == "dl":  # numpydoc: dt with name and classifier, dd
            yield from _definitions(child)
        elif child.tag == "ul":  # several in Sphinx' own form
            for item in child.iter():
                yield from _own_form(item.css_first("p") or item)
        elif child.tag == "p":  # one in Sphinx' own form, or a name above what is indented, as older numpydoc has it
            below = child.next
            while below is not None and below.tag == "-text":
                below = below.next
            indented = below is not None and below.tag == "blockquote"
            for name, type_, text in _own_form(child):
                yield name, type_, (_first(below) if indented and below is not None else text)


def _definitions(node: LexborNode) -> Iterator[tuple[str, str, str]]:
    heads: list[tuple[str, str]] = []
    for child in node.iter():
        if child.tag == "dt":
            kinds = child.css("span.classifier")
            name = to_text(child)
            for kind in kinds:
                name = name.removesuffix(to_text(kind)).strip(" :")
            heads.append((name, ", ".join(to_line(kind) for kind in kinds)))
        elif child.tag == "dd":
            text = _first(child)
            for name, type_ in heads:
                yield name, type_, text
            heads = []
    for name, type_ in heads:
        yield name, type_, ""


def _own_form(paragraph: LexborNode) -> Iterator[tuple[str, str, str]]:
    """`name (type) – text`, and `name : type`."""
    line = to_line(paragraph)
    head, _, text = line.partition(" – ")
    match = re.fullmatch(r"`?([^\s`(:]+(?:, [^\s`(:]+)*)`?(?: \((.*)\)| ?: ?(.*)|)", head)
    if match:
        yield match.group(1), match.group(2) or match.group(3) or "", text


def _returned(body: LexborNode) -> Section | None:
    for child in body.iter():
        if child.tag == "dl":
            for name, type_, text in _definitions(child):
                return Section(type_ or name, text)
        if child.tag == "ul":
            for _, type_, text in _items(body):
                return Section(type_, text)
        if child.tag == "p":
            return Section("", to_line(child))
    line = to_line(body)
    return Section("", line) if line else None


def _first(node: LexborNode) -> str:
    """The first paragraph of an element."""
    paragraph = node.css_first("p")
    return to_line(paragraph if paragraph is not None else node)
