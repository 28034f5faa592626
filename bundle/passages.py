"""Passages of documentation: what a model reads before it answers, and what an answer can cite.

A passage is an API entry, a section of a guide or an answered question. Knows nothing about where they are kept or how
they are found.
"""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict

DOCUMENTATION = "documentation.sqlite"
"""The index of a dataset's passages, which its bundle carries."""
LONGEST = {"title": 200, "signature": 300, "summary": 700, "parameters": 1000, "example": 900}
"""Characters that a passage's texts may have; what is longer is cut at a line or a word."""
_FORGED = re.compile(r"^(?=\s*(?:\[\d+\]|Documentation:|Not in the documentation:|Question:))", re.MULTILINE)
_BRIEF = 240

Form = Literal["whole", "example", "brief"]
"""How much of a passage is read: all, its beginning and its example, or its beginning alone."""


class Passage(BaseModel):
    """A piece of documentation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    symbol: str = ""
    """The full dotted name that it documents, e.g. `numpy.linalg.norm`; empty for a section."""
    title: str
    """The symbol as code has it, or a section's headings."""
    kind: str
    """`function`, `class` … for an API entry, else `section` or `question`."""
    signature: str = ""
    """The parameters in brackets, e.g. `(x, ord=None)`; empty where there are none to tell."""
    summary: str
    """What it says, in one to three sentences."""
    parameters: str = ""
    """A line a parameter: its name, a colon, what it does."""
    example: str = ""
    """Code that shows it."""
    verified: bool = False
    """Whether the example was run, and what it prints recorded."""
    package: str
    """The library, by its distribution's name; `stdlib` for the standard library."""
    version: str
    """The library's version."""
    licence: str = ""
    """The licence of the text."""
    attribution: str = ""
    """Who has to be named, where the licence asks for it."""
    url: str = ""
    """Where a person can read it: an address, or a path in the documentation; empty for docstrings."""

    @property
    def head(self) -> str:
        """Its first line: what it is about, with the library's version."""
        return f"{self.title}{self.signature} ({self.package} {self.version})"

    def text(self, form: Form = "whole") -> str:
        """What a model reads of it.

        No line of it can pass for one of those that the prompt itself has around passages.
        """
        parts = [self.head, self.summary if form == "whole" else cut(self.summary, _BRIEF)]
        if form == "whole" and self.parameters:
            parts.append(self.parameters)
        if form != "brief" and self.example:
            parts.append(f"Example:\n{self.example}")
        return _FORGED.sub("| ", "\n".join(parts))


def cut(text: str, most: int) -> str:
    """A text of at most so many characters: of several lines whole ones, else whole words."""
    if len(text) <= most:
        return text
    head = text[: most - 2]
    at = head.rfind("\n") if "\n" in head else head.rfind(" ")
    return f"{head[:at] if at > 0 else head} …"
