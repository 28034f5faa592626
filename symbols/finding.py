"""A finding: something in a piece of code that does not exist, and the real name most like it."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
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
    others: tuple[str, ...] = field(default=(), compare=False, repr=False)
    """What there is in its place: the owner's public attributes, or the keywords that the call hasn't used."""


def nearest(name: str, names: Sequence[str]) -> str:
    """The name most like another one; empty where none is."""
    return next(iter(difflib.get_close_matches(name, names, n=1, cutoff=0.6)), "")


def unused(call: ast.Call, taken: Sequence[str]) -> list[str]:
    """The keywords of those that a function takes, in its order, which a call names nowhere and fills by no place."""
    named = {keyword.arg for keyword in call.keywords}
    free = [name for name in taken if name not in ("self", "cls")]
    return [name for name in free[len(call.args) :] if name not in named]
