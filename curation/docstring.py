"""Docstrings in numpydoc, Google and Sphinx style as one value: summary, parameters, returns, raises, notes, see also.

Knows nothing about doctest examples, which are read by `curation.compose.examples`, or about records.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, field

from curation.markup import admonitions, to_markdown, without_directives

_NUMPY_SECTIONS = {
    "parameters": "parameters",
    "other parameters": "parameters",
    "returns": "returns",
    "yields": "returns",
    "raises": "raises",
    "notes": "notes",
    "warnings": "notes",
    "see also": "see_also",
}
_PROSE_SECTIONS = frozenset({"explanation", "description", "extended summary"})
_GOOGLE_SECTIONS = {
    "args": "parameters",
    "arguments": "parameters",
    "parameters": "parameters",
    "keyword args": "parameters",
    "returns": "returns",
    "yields": "returns",
    "raises": "raises",
    "note": "notes",
    "notes": "notes",
    "tip": "notes",
    "warning": "notes",
}
_GOOGLE_HEADER = re.compile(r"^(\w[\w ]*):\s*$")
_GOOGLE_OTHER = frozenset({"example", "examples", "usage", "attributes", "todo", "see also"})
_RELATED = re.compile(r"^((?::\w+:)?`?[\w.~]+`?(?:\s*,\s*(?::\w+:)?`?[\w.~]+`?)*),?\s*(?:\s:\s*(.*)|$)")
_NO_PROSE = re.compile(r">>>|[-*+•] |\d+[.)] |\+[-=]|={3}|\|")
MAX_NOTES = 12
"""Paragraphs of notes that are kept."""
MAX_RELATED = 12
"""Related objects that are kept."""
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
    notes: tuple[str, ...] = ()
    """The paragraphs of its notes, tips and warnings."""
    see_also: dict[str, str] = field(default_factory=dict)
    """Related objects, by the name that the documentation uses, and what it says of them (may be empty)."""


def parse_docstring(text: str) -> Docstring:
    """Read a docstring without indentation, whatever its style."""
    lines = without_signature(text.expandtabs().splitlines())
    body, sections = split_sections(lines)
    fields, prose = _take_fields(body)
    found = _Found()
    notes = admonitions(body)
    for kind, content in sections:
        if kind.endswith("notes"):
            notes += admonitions(content) + _blocks(without_directives(content))
        else:
            found.add(kind, without_directives(content))
    found.add_fields(fields)
    return Docstring(
        tuple(_paragraphs(without_directives(prose))),
        found.parameters,
        found.returns,
        found.raises,
        tuple(dict.fromkeys(notes))[:MAX_NOTES],
        dict(list(found.see_also.items())[:MAX_RELATED]),
    )


def without_signature(lines: list[str]) -> list[str]:
    """Lines without the call forms that C functions begin their docstrings with."""
    start = 0
    while start < len(lines) and lines[start].strip():
        head, end = lines[start], start
        while (
            head.count("(") > head.count(")") and end + 1 < len(lines) and lines[end + 1].strip() and end < start + 20
        ):
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
        below = start
        while below < len(lines) and not lines[below].strip():
            below += 1
        again = start and below > start and _SIGNATURE.match(lines[below]) and not lines[below].endswith(".")
        return without_signature(lines[below:]) if again else lines[start:]
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
        if title and not line.startswith(" ") and len(below) >= 3 and set(below) in ({"-"}, {"="}):
            if title in _PROSE_SECTIONS:
                number += 2
                continue
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
        self.see_also: dict[str, str] = {}

    def add(self, kind: str, lines: list[str]) -> None:
        style, _, google_kind = kind.partition(" ")
        if style == "google":
            self._add_google(google_kind, lines)
            return
        if kind == "see_also":
            self._add_related(lines)
            return
        if kind == "returns" and (together := _returned_together(lines)):
            told = f"`{'`, `'.join(together[:-1])}` and `{together[-1]}`."
            self.returns = self.returns or Section("tuple", told)
        for head, text in _items(lines):
            names, _, type_ = (part.strip() for part in head.partition(" : "))
            if kind == "parameters":
                for name in names.replace(" :", "").split(","):
                    self.parameters.setdefault(name.strip().lstrip("*"), Section(to_markdown(type_), text))
            elif kind == "returns" and self.returns is None:
                self.returns = Section(to_markdown(type_ or names), text)
            elif kind == "raises" and re.fullmatch(r"[\w.]+", names):
                self.raises.setdefault(names, text)

    def _add_related(self, lines: list[str]) -> None:
        for head, below in _items(lines):
            match = _RELATED.match(head)
            if not match:
                continue
            text = to_markdown(f"{match.group(2) or ''} {below}")
            for name in match.group(1).split(","):
                self.see_also.setdefault(re.sub(r":\w+:|[`~]", "", name).strip(), text)

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


def _returned_together(lines: list[str]) -> list[str]:
    """The names of the values that a call returns together; empty where it is one, or one of several.

    Unnamed values are alternatives, optional ones come only when they are asked for.
    """
    heads = [head.partition(" : ") for head, _ in _items(lines)]
    names = [name.strip() for name, _, type_ in heads if type_ and "optional" not in type_]
    several = len(names) > 1 and all(type_ for _, _, type_ in heads) and all(map(str.isidentifier, names))
    return names if several else []


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
        if _NO_PROSE.match(stripped):
            break
        if stripped:
            current.append(stripped)
        elif current:
            paragraphs.append(to_markdown(" ".join(current)))
            current = []
    if current:
        paragraphs.append(to_markdown(" ".join(current)))
    return paragraphs


def _blocks(lines: list[str]) -> list[str]:
    """The paragraphs of prose between code, lists and tables."""
    dedented = textwrap.dedent("\n".join(lines))
    found: list[str] = []
    for block in re.split(r"\n\s*\n", dedented):
        text = block.strip("\n")
        if text.strip() and not text.startswith(" ") and not _NO_PROSE.match(text):
            found.append(to_markdown(text))
    return found
