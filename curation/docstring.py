"""Docstrings in numpydoc, Google and Sphinx style as one value: summary, parameters, returns, raises.

Knows nothing about doctest examples, which are read by `curation.examples`, or about records.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from curation.markup import to_markdown, without_directives

_NUMPY_SECTIONS = {
    "parameters": "parameters",
    "other parameters": "parameters",
    "returns": "returns",
    "yields": "returns",
    "raises": "raises",
}
_GOOGLE_SECTIONS = {
    "args": "parameters",
    "arguments": "parameters",
    "parameters": "parameters",
    "keyword args": "parameters",
    "returns": "returns",
    "yields": "returns",
    "raises": "raises",
}
_GOOGLE_HEADER = re.compile(r"^(\w[\w ]*):\s*$")
_GOOGLE_OTHER = frozenset(
    {"example", "examples", "note", "notes", "usage", "attributes", "todo", "warning", "see also"}
)
_FIELD = re.compile(r"^:(\w+)(?:\s+([^:]*))?:\s*(.*)$")
_SIGNATURE = re.compile(r"^(?:[\w.]+\s*=\s*)?(?:[A-Za-z_][\w.]*\.)?\w+ ?\(.*\)(?:\s*(?:->|-->|=>|:).*)?\s*$")


@dataclass(frozen=True)
class Section:
    """A described parameter, return value or exception."""

    type: str
    """The type as the docstring has it, e.g. `array_like`."""
    text: str
    """The description, on one line, as Markdown."""


@dataclass(frozen=True)
class Docstring:
    """What a docstring says; all texts are Markdown on one line."""

    paragraphs: tuple[str, ...] = ()
    """The text before the sections: the summary, then what follows it."""
    parameters: dict[str, Section] = field(default_factory=dict)
    """Described parameters by name."""
    returns: Section | None = None
    """What is returned."""
    raises: dict[str, str] = field(default_factory=dict)
    """Exceptions and when they are raised."""


def parse_docstring(text: str) -> Docstring:
    """Read a docstring without indentation, whatever its style."""
    lines = without_signature(text.expandtabs().splitlines())
    body, sections = split_sections(lines)
    fields, prose = _take_fields(body)
    found = _Found()
    for kind, content in sections:
        found.add(kind, without_directives(content))
    found.add_fields(fields)
    return Docstring(tuple(_paragraphs(without_directives(prose))), found.parameters, found.returns, found.raises)


def without_signature(lines: list[str]) -> list[str]:
    """Lines without the call forms that C functions begin their docstrings with."""
    start = 0
    while start < len(lines) and lines[start].strip():
        head, end = lines[start], start
        while head.count("(") > head.count(")") and end + 1 < len(lines) and lines[end + 1].strip() and end < start + 4:
            end += 1
            head += " " + lines[end].strip()
        if not _SIGNATURE.match(head):
            break
        start = end + 1
        if described := re.search(r"\) *(?:-> *[\w.]+ *)?-- +(\w.*)", head):
            return [described.group(1)[0].upper() + described.group(1)[1:], *lines[start:]]
    if start and start < len(lines) and lines[start].strip() == "--":  # as C docstrings end their signature
        start += 1
    if any(line.strip() for line in lines[start:]):
        return lines[start:]
    told = re.search(r"\) *-> *(?:None\. +(\w.*)|(.*\w .*))$", " ".join(" ".join(lines).split()))
    return [told.group(1) or f"Return {told.group(2)}"] if told else lines


def split_sections(lines: list[str]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """The lines before the first section, and the sections that are read, each as its kind and its lines."""
    body: list[str] = []
    sections: list[tuple[str, list[str]]] = []
    current = body
    number = 0
    while number < len(lines):
        line = lines[number]
        below = lines[number + 1].strip() if number + 1 < len(lines) else ""
        title = line.strip().lower()
        if title and not line.startswith(" ") and len(below) >= 3 and set(below) <= {"-"}:
            current = []
            sections.append((_NUMPY_SECTIONS.get(title, ""), current))
            number += 2
            continue
        google = _GOOGLE_HEADER.match(line)
        if google and below and lines[number + 1].startswith(" "):
            title = google.group(1).lower()
            if title in _GOOGLE_SECTIONS or title in _GOOGLE_OTHER:
                current = []
                sections.append(("google " + _GOOGLE_SECTIONS.get(title, ""), current))
                number += 1
                continue
        if current is not body and sections[-1][0].startswith("google") and line.strip() and not line.startswith(" "):
            current = body
        current.append(line)
        number += 1
    return body, sections


class _Found:
    def __init__(self) -> None:
        self.parameters: dict[str, Section] = {}
        self.returns: Section | None = None
        self.raises: dict[str, str] = {}

    def add(self, kind: str, lines: list[str]) -> None:
        style, _, google_kind = kind.partition(" ")
        if style == "google":
            self._add_google(google_kind, lines)
            return
        for head, text in _items(lines):
            names, _, type_ = (part.strip() for part in head.partition(" : "))
            if kind == "parameters":
                for name in names.replace(" :", "").split(","):
                    self.parameters.setdefault(name.strip().lstrip("*"), Section(to_markdown(type_), text))
            elif kind == "returns" and self.returns is None:
                self.returns = Section(to_markdown(type_ or names), text)
            elif kind == "raises" and re.fullmatch(r"[\w.]+", names):
                self.raises.setdefault(names, text)

    def _add_google(self, kind: str, lines: list[str]) -> None:
        indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
        lines = [line[indent:] for line in lines]
        if kind == "returns" and self.returns is None:
            self.returns = Section("", to_markdown(" ".join(lines)))
            return
        for head, text in _items(lines):
            match = re.match(r"^\*{0,2}([\w.]+)\s*(?:\(([^)]*)\))?:\s*(.*)$", head)
            if not match:
                continue
            whole = to_markdown(f"{match.group(3)} {text}")
            if kind == "parameters":
                self.parameters.setdefault(match.group(1), Section(match.group(2) or "", whole))
            elif kind == "raises":
                self.raises.setdefault(match.group(1), whole)

    def add_fields(self, fields: list[tuple[str, str, str]]) -> None:
        for name, argument, text in fields:
            if name in ("param", "parameter", "arg", "argument", "keyword") and argument:
                parameter = argument.split()[-1].replace("\\", "").lstrip("*")
                self.parameters.setdefault(parameter, Section(" ".join(argument.split()[:-1]), _without_optional(text)))
            elif name in ("return", "returns") and self.returns is None:
                self.returns = Section("", text)
            elif name in ("raises", "raise", "except") and argument:
                self.raises.setdefault(argument.strip(), text)


def _items(lines: list[str]) -> list[tuple[str, str]]:
    """The unindented lines of a section, each with the first paragraph that is indented below it."""
    items: list[tuple[str, list[str]]] = []
    for line in lines:
        if line.strip() and not line.startswith(" "):
            items.append((line.strip(), []))
        elif items:
            items[-1][1].append(line)
    return [(head, next(iter(_paragraphs(below)), "")) for head, below in items]


def _take_fields(lines: list[str]) -> tuple[list[tuple[str, str, str]], list[str]]:
    """The Sphinx fields of a body as name, argument and text, and the lines that are left."""
    fields: list[tuple[str, str, list[str]]] = []
    prose: list[str] = []
    for line in lines:
        match = _FIELD.match(line)
        if match:
            fields.append((match.group(1), match.group(2) or "", [match.group(3)]))
        elif fields and line.startswith(" "):
            fields[-1][2].append(line)
        elif not fields or line.strip():
            prose.append(line)
    return [(name, argument, to_markdown(" ".join(text))) for name, argument, text in fields], prose


def _without_optional(text: str) -> str:
    text = re.sub(r"^\(optional\)\s*", "", text)
    return text[:1].upper() + text[1:]


def _paragraphs(lines: list[str]) -> list[str]:
    """The paragraphs of prose before any code, list or table."""
    paragraphs: list[str] = []
    current: list[str] = []
    for line in [*lines, ""]:
        stripped = line.strip()
        if re.match(r"(>>>|[-*+•] |\d+[.)] |\+[-=]|={3}|\|)", stripped):
            break
        if stripped:
            current.append(stripped)
        elif current:
            paragraphs.append(to_markdown(" ".join(current)))
            current = []
    if current:
        paragraphs.append(to_markdown(" ".join(current)))
    return paragraphs
