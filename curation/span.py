"""A piece of text that is to be masked. Knows nothing about how it was found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """From where to where a text is to be replaced, by what, and why."""

    start: int
    end: int
    name: str
    """What was found, e.g. `e-mail address`."""
    stand_in: str
    """What takes its place: of the same kind, and never taken for one again."""
