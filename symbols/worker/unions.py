"""Types as values: a union of alternatives, each a class with arguments, as in `list[str] | int`.

What can't be told is None. A union may name more than what really comes: it is used to say which attributes can't be
there.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable

SELF = "self"
"""Stands for the class of the receiver, with its arguments."""
MAX_ALTERNATIVES = 12
SHAPELESS = frozenset({object, type, types.ModuleType, types.FunctionType, typing.Generic})
"""Classes that say nothing about what their instances have."""

Head = type | str | int
"""A class; SELF; or the number of one of the receiver's type arguments."""
Alternative = tuple[Head, tuple]
Type = tuple[Alternative, ...] | None

NONE: Type = ((type(None), ()),)


def of_class(cls: type, *arguments: Type) -> Type:
    """Instances of a class."""
    return None if cls in SHAPELESS else ((cls, arguments),)


def union(parts: Iterable[Type]) -> Type:
    """The union of types; unknown where one of them is."""
    found: dict[Alternative, None] = {}
    for part in parts:
        if part is None:
            return None
        found.update(dict.fromkeys(part))
    return tuple(found) if 0 < len(found) <= MAX_ALTERNATIVES else None


def without_none(found: Type) -> Type:
    """A type without None, unless it is nothing else."""
    rest = tuple(one for one in found or () if one[0] is not type(None))
    return rest or found


def substitute(found: Type, arguments: tuple[Type, ...]) -> Type:
    """A type with the receiver's type arguments put in."""
    if found is None:
        return None
    parts: list[Type] = []
    for head, inner in found:
        if isinstance(head, int):
            parts.append(arguments[head] if head < len(arguments) else None)
        else:
            parts.append(((head, tuple(substitute(one, arguments) for one in inner)),))
    return union(parts)
