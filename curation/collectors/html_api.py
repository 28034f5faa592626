"""What an API list of an HTML page says of a Python object: names, signature, description, fields, examples.

Reads numpydoc's, napoleon's and Sphinx' own forms of field lists. Knows nothing about where the page comes from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from selectolax.lexbor import LexborNode

from curation.collectors.html import classes, to_line, to_text
from curation.collectors.html_content import API_KINDS, content, is_api, is_deprecation
from curation.collectors.html_fields import Fields
from curation.docstring import Docstring
from curation.entries import Prose, Snippet
from symbols.introspect import Kind, Parameter

# No `data`: a module's constants aren't objects that one asks how to use.
_KINDS: dict[str, Kind] = {
    "function": "function", "classmethod": "function", "staticmethod": "function", "decorator": "function",
    "decoratormethod": "function", "method": "method", "class": "class", "exception": "exception",
    "property": "property", "attribute": "property",
}  # fmt: skip
_MAX_PARAGRAPHS = 40
_BODY = frozenset({"", "explanation", "description", "extended summary"})
_NOTES = frozenset({"notes", "note", "warnings", "warning"})
_ONLY_PART = re.compile(
    r"\b(?:parameters?|arguments?|keywords?|passing|calling|using|methods|containing|conversion|behaviou?r|syntax"
    r"|deprecation warning|supplying|setting|support for|implicit|in (?:the|a) future)\b",
    re.IGNORECASE,
)
_PARAMETER = re.compile(r"(\*{0,2})([^\W\d]\w*)\s*(?::.*?)?(?:\s*=\s*(.*))?", re.DOTALL)


@dataclass
class ApiObject:
    """A described object; it may have several names."""

    names: tuple[str, ...]
    """Full dotted names, as the anchors have them."""
    kind: Kind
    parameters: tuple[Parameter, ...] | None
    """What the signature says; None where it can't be told."""
    doc: Docstring
    snippets: tuple[Snippet, ...]
    deprecated: bool
    inner: list[LexborNode] = field(default_factory=list)
    """API lists inside it: a class's methods."""


def read_objects(node: LexborNode) -> Iterator[ApiObject]:
    """Yield the objects of an API list; one that is kept out of the index has no names.

    Raises:
        TooDeepError: elements are too deep inside one another.
    """
    kind = next(iter(classes(node) & API_KINDS), "")
    heads: list[LexborNode] = []
    for child in node.iter():
        if child.tag == "dt":
            heads.append(child)
        elif child.tag == "dd":
            yield _read(kind, heads, child)
            heads = []


def _read(kind: str, heads: list[LexborNode], body: LexborNode) -> ApiObject:
    names = tuple(dict.fromkeys(head.id for head in heads if head.id and re.fullmatch(r"[\w.]+", head.id)))
    signature = heads[0] if heads else None
    words = _words(signature) if signature is not None else frozenset[str]()
    reader = _Body(words)
    reader.read(body)
    found = _kind(kind, signature)
    parameters = None
    if signature is not None and found != "property" and len(heads) == len(names):
        parameters = _parameters(signature)
    return ApiObject(
        names if kind in _KINDS else (),
        found,
        parameters,
        reader.docstring(),
        tuple(reader.snippets),
        reader.deprecated,
        reader.inner,
    )


def _kind(kind: str, signature: LexborNode | None) -> Kind:
    """The kind of an object; class methods say what they are before their name."""
    before = signature.css_first("em.property") if signature is not None else None
    if kind == "method" and before is not None and re.match(r"\s*(abstract )?(classmethod|static)", before.text()):
        return "function"
    return _KINDS.get(kind, "function")


class _Body:
    """Reads what stands below a signature."""

    def __init__(self, words: frozenset[str]) -> None:
        self._words = words
        self._part = ""
        self._paragraphs: list[str] = []
        self._notes: list[str] = []
        self._see_also: dict[str, str] = {}
        self._fields = Fields()
        self.snippets: list[Snippet] = []
        self.deprecated = False
        self.inner: list[LexborNode] = []

    def read(self, body: LexborNode) -> None:
        for piece in content(body, self._words):
            if isinstance(piece, Snippet):
                self.snippets.append(piece)
            elif isinstance(piece, Prose):
                self._add(piece)
            elif is_api(piece):
                self.inner.append(piece)
            elif piece.tag == "dl":
                self._fields.read(piece)
            elif is_deprecation(piece):
                self.deprecated |= (piece.parent is not None and piece.parent.mem_id == body.mem_id) and not only_part(
                    piece, self._words
                )
            elif "seealso" in classes(piece):
                self._see_also.update(_related(piece))
            elif "rubric" in classes(piece) or piece.tag not in ("section", "div"):
                self._part = to_text(piece).lower().strip(": ")
            else:  # a section inside an object's description, as Markdown docstrings make them
                self.read(piece)

    def _add(self, piece: Prose) -> None:
        whole = not piece.text.endswith(":")  # what introduces a list or code can't stand alone
        if not whole or len(self._paragraphs) + len(self._notes) >= _MAX_PARAGRAPHS:
            return
        if piece.role == "note" or (piece.role == "text" and self._part in _NOTES):
            self._notes.append(piece.text)
        elif piece.role == "text" and self._part in _BODY:
            self._paragraphs.append(piece.text)

    def docstring(self) -> Docstring:
        found = self._fields
        return Docstring(
            tuple(self._paragraphs), found.parameters, found.returns, found.raises, tuple(self._notes), self._see_also
        )


def only_part(deprecation: LexborNode, words: frozenset[str]) -> bool:
    """Whether a deprecation is about a parameter or a way of using the object, and not about the object.

    Args:
        deprecation: the box that says it.
        words: the names of the object's parameters.
    """
    text = re.sub(r"^Deprecated since [^:]*?(?:: |\.$|$)", "", to_text(deprecation.css_first("p") or deprecation))
    first = re.split(r"(?<=[a-z)])\. ", text)[0]
    return bool(_ONLY_PART.search(first)) or re.split(r"\W", text)[0] in words


def _words(signature: LexborNode) -> frozenset[str]:
    return frozenset(re.findall(r"[^\W\d]\w*", " ".join(one.text() for one in signature.css("em, .n"))))


def _parameters(signature: LexborNode) -> tuple[Parameter, ...] | None:
    """The parameters of a signature; None where it leaves out what is optional, as `range(start, stop[, step])`."""
    if signature.css_first("span.optional") or not signature.css_first("span.sig-paren"):
        return None
    kind = "positional_or_keyword"
    found: list[Parameter] = []
    for one in signature.css("em.sig-param"):
        text = " ".join(one.text().split())
        if text == "/":
            found = [Parameter(before.name, "positional_only", before.default) for before in found]
            continue
        if text == "*":
            kind = "keyword_only"
            continue
        match = _PARAMETER.fullmatch(text)
        if match is None:
            return None
        stars, name, default = match.groups()
        if stars:
            found.append(Parameter(name, "var_positional" if stars == "*" else "var_keyword", None))
            kind = "keyword_only"
        else:
            found.append(Parameter(name, kind, default if default is None or len(default) <= 40 else "..."))
    return tuple(found)


def _related(box: LexborNode) -> dict[str, str]:
    """The names in a see-also box, and what it says of each: numpydoc's list, or code in a paragraph."""
    found: dict[str, str] = {}
    for part in box.css("dl"):
        names: list[str] = []
        for child in part.iter():
            if child.tag == "dt":
                names = [name.strip(" `") for name in to_line(child).split(",")]
                found.update({name: "" for name in names if re.fullmatch(r"[\w.]+", name)})
            elif (text := child.css_first("p")) is not None:
                found.update({name: to_line(text) for name in names if name in found})
    if not found:
        for code in box.css("code.py, a code"):
            name = code.text().strip().removesuffix("()")
            if re.fullmatch(r"[\w.]+", name):
                found.setdefault(name, "")
    return found
