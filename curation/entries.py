"""The corpus: raw entries as collected, one a line in corpus.jsonl. Knows nothing about drafts or records.

    ApiEntry        a documented object: from introspection, or from an API page
    SectionEntry    a section of a narrative page: prose and code, in order
    QuestionEntry   a question with its answer: FAQs, Stack Exchange, GitHub
    RecordEntry     a record of the user's own

Collectors yield them, and `Dropped` for what they left out. The entries of one page follow one another, in the page's
order: the code of a page builds on what stands above it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from curation.docstring import Docstring
from symbols.introspect import Entry as Documented

CORPUS = "corpus.jsonl"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Origin(_Frozen):
    """Where an entry comes from."""

    source: str
    """The kind of source, e.g. `sphinx`."""
    package: str
    """The library, by its distribution's name; `stdlib` for the standard library."""
    version: str
    """The library's version."""
    licence: str = ""
    """The licence of the text."""
    url: str = ""
    """Where a person can read it: an address, or a path and an anchor relative to the source; empty for docstrings."""
    attribution: str = ""
    """Who has to be named, where the licence asks for it."""
    written: bool = False
    """Whether the code was written for this purpose rather than taken from the library's own documentation."""

    @property
    def page(self) -> str:
        """The address without its anchor: entries with the same page stand on one page."""
        return self.url.partition("#")[0]


class Snippet(_Frozen):
    """A piece of code as a page shows it."""

    source: str
    """Its text. A `session` has prompts (`>>> `, `... `) before its statements and their output below them; IPython's
    prompts are rewritten as these."""
    form: Literal["session", "script"]
    """Whether it was typed at a prompt, or is a script."""


class Prose(_Frozen):
    """A paragraph, or a list item, as Markdown on one line."""

    text: str
    role: Literal["text", "item", "note"] = "text"
    """A paragraph, an item of a list, or a paragraph of a note, a tip or a warning."""


class ApiEntry(_Frozen):
    """A documented object, under the name that its documentation gives it."""

    type: Literal["api"] = "api"
    origin: Origin
    documented: Documented
    """What introspection found. A page's collector fills in `symbol` and `docstring` (empty) and what it knows of the
    rest; the stage replaces it by the introspected object of the name."""
    doc: Docstring
    """What the documentation says of it."""
    snippets: tuple[Snippet, ...] = ()
    """The examples in it, in order."""
    deprecated: bool = False
    """Whether the object is deprecated, not merely a parameter of it."""


class SectionEntry(_Frozen):
    """A section of a narrative page."""

    type: Literal["section"] = "section"
    origin: Origin
    headings: tuple[str, ...]
    """The page's title and the headings down to this section, as plain text."""
    content: tuple[Prose | Snippet, ...]
    """What the section itself has, without its subsections, in order."""


class QuestionEntry(_Frozen):
    """A question that a person asked, and its answer."""

    type: Literal["question"] = "question"
    origin: Origin
    title: str
    """The question in one line, as plain text."""
    body: tuple[Prose | Snippet, ...] = ()
    """What the asker wrote below the title."""
    answer: tuple[Prose | Snippet, ...]
    tags: tuple[str, ...] = ()
    score: int = 0
    accepted: bool = False


class RecordEntry(_Frozen):
    """A record of the user's own."""

    type: Literal["record"] = "record"
    origin: Origin
    instruction: str
    input: str = ""
    output: str
    symbol: str = ""
    """The full dotted name that it is about; empty where it doesn't say."""


Entry = Annotated[ApiEntry | SectionEntry | QuestionEntry | RecordEntry, Field(discriminator="type")]


class Dropped(_Frozen):
    """Something that a collector left out."""

    type: Literal["dropped"] = "dropped"
    code: str
    """The reason code, e.g. `too-large`."""
    detail: str
    """What exactly was found."""
    where: str
    """The page, file or line."""


def shown_by(entry: Entry) -> str:
    """The name of an entry that shows code, or answers a question; empty for mere descriptions."""
    if isinstance(entry, ApiEntry):
        return (entry.origin.url or entry.documented.symbol) if entry.snippets else ""
    if isinstance(entry, SectionEntry) and not any(isinstance(one, Snippet) for one in entry.content):
        return ""
    return entry.origin.url


_LINE: TypeAdapter[Entry | Dropped] = TypeAdapter(
    Annotated[ApiEntry | SectionEntry | QuestionEntry | RecordEntry | Dropped, Field(discriminator="type")]
)


def read_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a corpus file that this program wrote."""
    with path.open(encoding="utf-8") as handle:
        for line in handle:
            yield line.rstrip("\n")


def read_entry(line: str) -> Entry | Dropped:
    """The entry of a corpus file's line, or what was left out there."""
    return _LINE.validate_json(line)


def read_corpus(path: Path) -> Iterator[Entry | Dropped]:
    """Yield the entries of a corpus file that this program wrote, and what was left out."""
    return map(read_entry, read_lines(path))
