"""A finding: something in a piece of code that does not exist, and the real name most like it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Problem = Literal["no-such-module", "no-such-attribute", "no-such-keyword"]


@dataclass(frozen=True)
class Finding:
    """Something in the code that does not exist."""

    line: int
    """Line in the code, from 1."""
    name: str
    """The full dotted name, or `function(keyword)`; on an instance, with its class's name."""
    problem: Problem
    nearest: str
    """A real name much like it, or nothing."""


def nearest(name: str, names: Sequence[str]) -> str:
    """The name most like another one; empty where none is."""
    return next(iter(difflib.get_close_matches(name, names, n=1, cutoff=0.6)), "")
