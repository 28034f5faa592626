"""A question of a suite: what is asked, what an answer must contain, the reference answer, the check of its code.

Knows nothing about files, or about how an answer is judged.
"""

from __future__ import annotations

from dataclasses import dataclass

CATEGORIES = ("basic-usage", "error-handling", "advanced-patterns", "performance", "best-practices")
"""What a question can be about, in the order of the tables."""
GENERAL = "python"
"""The library of a question that is about none: it is asked whatever the dataset's libraries are."""


@dataclass(frozen=True)
class Symbol:
    """Something of a library that the answer's code has to use."""

    name: str
    """Full dotted name, e.g. `requests.get`; code is looked through for its last part."""
    keywords: tuple[str, ...] = ()
    """Keyword arguments that one call of it has to have, all of them."""

    def __str__(self) -> str:
        return f"symbol {self.name}" + (f" with {', '.join(self.keywords)}" if self.keywords else "")


@dataclass(frozen=True)
class Handled:
    """An exception that the answer's code has to catch or raise."""

    name: str
    """Full dotted name; code is looked through for its last part."""

    def __str__(self) -> str:
        return f"exception {self.name}"


@dataclass(frozen=True)
class Idea:
    """Something that the answer has to say, in prose or in code."""

    text: str
    """What a reader would look for."""
    any: tuple[str, ...]
    """Plain texts of which one has to occur, in upper or lower case, where a word begins."""

    def __str__(self) -> str:
        return f"idea “{self.text}”"


@dataclass(frozen=True)
class Written:
    """Something that has to stand in the answer's code."""

    text: str
    """What a reader would look for."""
    any: tuple[str, ...]
    """Pieces of code of which one has to occur as it is, where a word begins."""

    def __str__(self) -> str:
        return f"code “{self.text}”"


Must = Symbol | Handled | Idea | Written
"""One thing that an answer must contain."""


@dataclass(frozen=True)
class Check:
    """Code around the answer's, in one namespace."""

    after: str
    """Assertions. They also have `output`, the answer's standard output, and `results`, the values of the names that
    the answer's code left at its top level."""
    before: str = ""
    """What the answer's code finds: data, a name that stands for something else."""


@dataclass(frozen=True)
class Question:
    """One question."""

    id: str
    """Lower-case letters, digits and hyphens; the library comes first."""
    category: str
    """One of `CATEGORIES`."""
    library: str
    """The library that it is about; `stdlib` for Python's own, `GENERAL` for none."""
    text: str
    """The question, in Markdown."""
    must: tuple[Must, ...]
    """What an answer must contain; at least one."""
    reference: str
    """The reference answer, in Markdown."""
    check: Check | None = None
    """None where running the answer's code would say nothing."""
    draft: bool = False
    """Whether somebody still has to edit it; drafts are never asked."""
