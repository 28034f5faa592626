"""Modules and classes as scopes with numbered members, and what the members give: the symbol table's content.

Knows nothing about documentation, and imports nothing.
"""

from __future__ import annotations

import collections.abc
import inspect
from typing import Any

from .attributes import ANY, DERIVED, makes, names_stored, openness
from .keywords import Keywords
from .known import CALLABLE, KNOWN, RARE
from .modules import OPAQUE, Modules, is_function, names_of, read
from .results import Facts, Results
from .unions import SELF, Type, of_class, union, without_none

MAX_ARGUMENTS = 16
SPECIALS = {
    "__getitem__": "[",
    "__enter__": "with",
    "__call__": "(",
    "__add__": "+",
    "__sub__": "-",
    "__mul__": "*",
    "__truediv__": "/",
    "__mod__": "%",
    "__pow__": "**",
    "__matmul__": "@",
    "__and__": "&",
    "__gt__": ">",
}


class Graph:
    """Scopes, leaves (functions and values) and types, all numbered."""

    def __init__(self, modules: Modules, folder: str) -> None:
        """`folder` has the standard library's stubs; empty for none."""
        self._roots = {name.partition(".")[0] for name in modules.names}
        self._below: dict[str, list[str]] = {}
        for name in modules.skipped + modules.left_out:
            parent, _, last = name.rpartition(".")
            self._below.setdefault(parent, []).append(last)
        self._results = Results(folder)
        self._keywords = Keywords(self._results)
        self.scopes: list[dict[str, Any]] = []
        self.keyword_lists: list[list[str]] = []
        self.leaves: list[list[int]] = []
        self.types: list[list[list[int]]] = []
        self._numbers: dict[int, int] = {}
        self._keyword_numbers: dict[tuple[str, ...], int] = {}
        self._leaf_numbers: dict[tuple[int, ...], int] = {}
        self._type_numbers: dict[tuple[Any, ...], int] = {}
        self._alive: list[Any] = []
        self._pending: list[Any] = []

    def scope(self, owner: Any) -> int:
        """The number of a module's or a class's scope; everything reachable from it is numbered too."""
        number = self._reference(owner)
        while self._pending:
            self._fill(self._pending.pop())
        return number

    def _reference(self, owner: Any) -> int:
        if id(owner) not in self._numbers:
            self._numbers[id(owner)] = len(self.scopes)
            self._alive.append(owner)  # an id is only unique among living objects
            self.scopes.append({})
            self._pending.append(owner)
        return self._numbers[id(owner)]

    def _fill(self, owner: Any) -> None:
        scope = self.scopes[self._numbers[id(owner)]]
        inherited: set[str] = set()
        if isinstance(owner, type):
            scope["b"] = [self._reference(base) for base in owner.__bases__ if base is not object]
            if type(owner) is not type:
                scope["t"] = self._reference(type(owner))
            described = self._results.described(owner)
            own = {*vars(owner), *(described.names if described else ())}
            inherited = {name for base in owner.__mro__[1:] for name in names_of(base)} - own
            taken = self._keywords.of(owner)
            if taken is not None:
                scope["k"] = self._keyword_number(taken)
            scope["n"] = f"{owner.__module__}.{owner.__qualname__}"
            try:
                scope.update(self._instances(owner))
            except Exception:  # a package's objects may raise anything when they are looked at
                scope["o"] = ANY
        members = {name: self._safe_member(owner, name) for name in names_of(owner) if name not in inherited}
        for name in self._below.get(getattr(owner, "__name__", ""), ()) if inspect.ismodule(owner) else ():
            members.setdefault(name, OPAQUE)
        scope["m"] = members

    def _instances(self, cls: type) -> dict[str, Any]:
        """What is to be known of a class's instances: their own attributes, operators, whether there may be more."""
        made = self._results.of_member(cls, "__new__", read(cls, "__new__")).result or ()
        kind = makes(cls, any(head in (SELF, cls) for head, _ in made))
        if kind == DERIVED:
            below: list[type] = cls.__subclasses__()
            for derived in sorted(below, key=lambda one: (one.__module__, one.__qualname__)):
                if self._is_known(derived):
                    self._reference(derived)
        parts = {
            "i": self._attributes(cls),
            "s": self._specials(cls),
            "o": openness(cls),
            "e": kind,
            "r": int(f"{cls.__module__}.{cls.__qualname__}" in RARE),
        }
        return {key: part for key, part in parts.items() if part}

    def _attributes(self, cls: type) -> dict[str, int]:
        """What instances have that the class hasn't, or has otherwise."""
        described = self._results.described(cls)
        declared = {name for name in (described.names if described else ()) if not name.startswith("_")}
        found: dict[str, int] = {}
        for name in sorted((names_stored(cls) | declared) - set(names_of(cls))):
            found[name] = self._leaf(Facts(value=self._results.of_member(cls, name, OPAQUE).value))
        for name in names_of(cls):
            value, raw = read(cls, name), inspect.getattr_static(cls, name, None)
            if isinstance(value, type) and not isinstance(raw, type) and self._is_known(value):
                found[name] = self._leaf(Facts(value=of_class(value)))  # an accessor, such as Series.str
        return found

    def _specials(self, cls: type) -> dict[str, int]:
        """What subscripts, calls, operators and the like give on instances."""
        found: dict[str, Type] = {}
        for name, sign in SPECIALS.items():
            if inspect.isroutine(inspect.getattr_static(cls, name, None)) or _is_known_fact(cls, name):
                found[sign] = self._results.of_member(cls, name, read(cls, name)).result
        found["for"] = self._element(cls)
        numbers = {sign: self._type(one) for sign, one in found.items()}
        return {sign: number for sign, number in numbers.items() if number >= 0}

    def _element(self, cls: type) -> Type:
        """What a loop over an instance gives."""
        if not hasattr(cls, "__iter__"):
            return None
        iterator = self._results.of_member(cls, "__iter__", read(cls, "__iter__")).result
        if _is_known_fact(cls, "__iter__"):
            return iterator
        parts: list[Type] = []
        for head, arguments in iterator or ():
            if head == SELF:
                parts.append(self._results.of_member(cls, "__next__", read(cls, "__next__")).result)
            elif arguments and isinstance(head, type) and issubclass(head, collections.abc.Iterable):
                parts.append(arguments[0])
            else:
                return None
        return union(parts) if parts else None

    def _is_known(self, cls: type) -> bool:
        return str(cls.__module__).partition(".")[0].lstrip("_") in self._roots

    def _safe_member(self, owner: Any, name: str) -> int:
        try:
            return self._member(owner, name)
        except Exception:
            return OPAQUE

    def _member(self, owner: Any, name: str) -> int:
        value = read(owner, name)
        if inspect.ismodule(value):
            known = value.__name__.partition(".")[0] in self._roots
            return self._reference(value) if known else OPAQUE
        if isinstance(value, type):
            return self._reference(value) if self._is_known(value) else OPAQUE
        if inspect.ismodule(owner):
            if is_function(value):
                facts = self._results.of_function(owner.__name__, name, value)
                return self._function(value, facts, None)
            return self._leaf(Facts(value=self._results.of_constant(value)))
        facts = self._results.of_member(owner, name, value)
        if is_function(value):
            return self._function(value, facts, owner)
        if facts.value is None and not hasattr(type(value), "__get__"):
            facts.value = self._results.of_constant(value)
        return self._leaf(Facts(value=without_none(facts.value)))

    def _function(self, value: Any, facts: Facts, cls: type | None) -> int:
        """The leaf of a function: its keywords as Python tells them, or, where it can't, as the stub does."""
        told = self._keywords.of(value, cls)
        itself = of_class(type(value)) if type(value).__name__ in CALLABLE else None
        return self._leaf(Facts(facts.keywords if told is None else told, facts.result, itself))

    def _leaf(self, facts: Facts) -> int:
        taken = -1 if facts.keywords is None else self._keyword_number(facts.keywords)
        value = (taken, self._type(facts.result), self._type(facts.value))
        if value == (-1, -1, -1):
            return OPAQUE
        number = self._leaf_numbers.setdefault(value, len(self.leaves))
        if number == len(self.leaves):
            self.leaves.append(list(value))
        return -2 - number

    def _type(self, found: Type) -> int:
        """The number of a type; -1 where it is unknown, or names a class of a library that isn't looked at."""
        alternatives: list[tuple[int, ...]] = []
        for head, arguments in found or ():
            if isinstance(head, type):
                if not self._is_known(head):
                    return -1
                number = self._reference(head)
            else:
                number = -1 if head == SELF else -2 - int(head)
            alternatives.append((number, *(self._type(one) for one in arguments[:MAX_ARGUMENTS])))
        if not alternatives:
            return -1
        key = tuple(alternatives)
        number = self._type_numbers.setdefault(key, len(self.types))
        if number == len(self.types):
            self.types.append([list(one) for one in key])
        return number

    def _keyword_number(self, taken: list[str]) -> int:
        number = self._keyword_numbers.setdefault(tuple(taken), len(self.keyword_lists))
        if number == len(self.keyword_lists):
            self.keyword_lists.append(taken)
        return number


def _is_known_fact(cls: type, name: str) -> bool:
    return any(name in KNOWN.get(f"{base.__module__}.{base.__qualname__}", ()) for base in cls.__mro__)
