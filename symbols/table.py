"""The symbol table: what exists in the libraries that were looked at, as a frozen value and as a JSON file.

Modules and classes are scopes with members; a member is another scope, a function whose keywords are known, or
opaque: it exists, and nothing more is known of it. Knows nothing about how the libraries were looked at.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FORMAT = 1
OPAQUE = -1
"""The reference of a member of which only its existence is known."""
BUILTINS = "builtins"


class SymbolTableError(ValueError):
    """A symbol table that is missing or damaged; the text is one line."""


@dataclass(frozen=True)
class Scope:
    """A module or a class.

    A reference is a scope's number, `OPAQUE`, or `-2 - n` for a function with the table's keyword list n.
    """

    members: Mapping[str, int]
    """Public attribute names and what they refer to; inherited ones are in the bases."""
    bases: tuple[int, ...] = ()
    """Scopes of the classes that a class inherits from, its metaclass last."""
    keywords: int | None = None
    """For a class: the keyword list that its call takes; None where that is open or unknown."""


@dataclass(frozen=True)
class SymbolTable:
    """What exists in some libraries at one version each."""

    packages: Mapping[str, str]
    """Import root → version, of the libraries that were looked at."""
    known: frozenset[str]
    """All top-level names that can be imported beside them, looked at or not."""
    roots: Mapping[str, int]
    """Import root → its scope's number."""
    modules: frozenset[str]
    """Dotted names of all modules that can be imported below the roots."""
    keywords: Sequence[tuple[str, ...]]
    """The keyword lists of functions and classes."""
    scopes: Sequence[Scope] = field(repr=False)
    """All modules and classes."""

    def member(self, reference: int, name: str) -> int | None:
        """What an attribute of `reference` refers to; None where a scope has no such attribute."""
        if reference < 0:
            return OPAQUE
        pending, seen = [reference], {reference}
        while pending:
            scope = self.scopes[pending.pop(0)]
            if name in scope.members:
                return scope.members[name]
            fresh = [base for base in scope.bases if base not in seen]
            seen.update(fresh)
            pending.extend(fresh)
        return None

    def members(self, reference: int) -> list[str]:
        """The public attribute names of a scope, inherited ones included, sorted; none for anything else."""
        if reference < 0:
            return []
        found: set[str] = set()
        pending, seen = [reference], {reference}
        while pending:
            scope = self.scopes[pending.pop()]
            found.update(scope.members)
            fresh = [base for base in scope.bases if base not in seen]
            seen.update(fresh)
            pending.extend(fresh)
        return sorted(found)

    def call_keywords(self, reference: int) -> tuple[str, ...] | None:
        """The keywords that calling `reference` takes; None where they are open or unknown."""
        number = -2 - reference if reference < OPAQUE else None
        if reference >= 0:
            number = self.scopes[reference].keywords
        return None if number is None else self.keywords[number]

    def resolve(self, dotted: str) -> int | None:
        """What a full dotted name refers to; None where it does not exist. Built-in names need no module.

        Private parts, and libraries that can be imported but were not looked at, are opaque.
        """
        first, *rest = dotted.split(".")
        reference: int | None
        if first in self.roots:
            reference = self.roots[first]
        elif first in self.known:
            return OPAQUE
        else:
            reference = self.member(self.roots[BUILTINS], first) if BUILTINS in self.roots else None
        for name in rest:
            if reference is None or name.startswith("_"):
                return None if reference is None else OPAQUE
            reference = self.member(reference, name)
        if reference is None and dotted in self.modules:
            return OPAQUE
        return reference

    def exists(self, dotted: str) -> bool:
        """Whether a full dotted name, e.g. `numpy.linalg.norm` or `str.join`, exists."""
        return self.resolve(dotted) is not None

    def merged(self, other: SymbolTable) -> SymbolTable:
        """This table with another's libraries added; a library that both have stays as it is here."""
        scopes, lists = len(self.scopes), len(self.keywords)

        def shift(reference: int) -> int:
            return reference + scopes if reference >= 0 else reference - lists if reference < OPAQUE else OPAQUE

        moved = [
            Scope(
                {name: shift(reference) for name, reference in scope.members.items()},
                tuple(base + scopes for base in scope.bases),
                None if scope.keywords is None else scope.keywords + lists,
            )
            for scope in other.scopes
        ]
        return SymbolTable(
            {**other.packages, **self.packages},
            self.known | other.known,
            {**{name: number + scopes for name, number in other.roots.items()}, **self.roots},
            self.modules | other.modules,
            [*self.keywords, *other.keywords],
            [*self.scopes, *moved],
        )

    def to_json(self) -> dict[str, Any]:
        """The table as a JSON value, compact: empty parts are left out."""
        scopes = []
        for scope in self.scopes:
            value: dict[str, Any] = {"m": dict(scope.members)}
            if scope.bases:
                value["b"] = list(scope.bases)
            if scope.keywords is not None:
                value["k"] = scope.keywords
            scopes.append(value)
        return {
            "format": FORMAT,
            "packages": dict(self.packages),
            "known": sorted(self.known),
            "roots": dict(self.roots),
            "modules": sorted(self.modules),
            "keywords": [list(names) for names in self.keywords],
            "scopes": scopes,
        }

    @classmethod
    def from_json(cls, value: Any) -> SymbolTable:
        """The table that a JSON value describes.

        Raises:
            SymbolTableError: the value is not a symbol table, or refers to what it doesn't have.
        """
        try:
            if value.get("format", FORMAT) != FORMAT:
                raise SymbolTableError(f"a symbol table of format {value['format']!r}; this program reads {FORMAT}")
            scopes = [
                Scope(_references(one["m"]), tuple(map(_index, one.get("b", ()))), _optional_index(one.get("k")))
                for one in value["scopes"]
            ]
            table = cls(
                {str(name): str(version) for name, version in value["packages"].items()},
                frozenset(map(str, value["known"])),
                _references(value["roots"]),
                frozenset(map(str, value["modules"])),
                [tuple(map(str, names)) for names in value["keywords"]],
                scopes,
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            if isinstance(error, SymbolTableError):
                raise
            raise SymbolTableError(f"not a symbol table ({type(error).__name__}: {error})") from None
        table._check()
        return table

    def _check(self) -> None:
        references = [*self.roots.values(), *(one for scope in self.scopes for one in scope.members.values())]
        references += [base for scope in self.scopes for base in scope.bases]
        numbers = [scope.keywords for scope in self.scopes if scope.keywords is not None]
        if references and not -2 - len(self.keywords) < min(references) <= max(references) < len(self.scopes):
            raise SymbolTableError("a symbol table that refers to entries that it doesn't have")
        if min(self.roots.values(), default=0) < 0 or max(numbers, default=-1) >= len(self.keywords):
            raise SymbolTableError("a symbol table that refers to entries that it doesn't have")

    def save(self, path: Path) -> None:
        """Write the table as a JSON file, atomically; equal tables are equal bytes."""
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with temporary.open("w", encoding="utf-8", newline="\n") as handle:
                json.dump(self.to_json(), handle, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
                handle.write("\n")
                handle.flush()
                os.fsync(handle.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path) -> SymbolTable:
        """Read a table from its file.

        Raises:
            SymbolTableError: the file is missing or no symbol table; the text names it.
        """
        try:
            return cls.from_json(json.loads(path.read_bytes()))
        except FileNotFoundError:
            raise SymbolTableError(f"{path}: no symbol table here; run `boffin curate` first") from None
        except (ValueError, RecursionError) as error:
            raise SymbolTableError(f"{path}: {error}; run `boffin curate` to write it anew") from None


def _index(value: Any) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is no index")
    return value


def _optional_index(value: Any) -> int | None:
    return None if value is None else _index(value)


def _references(value: Any) -> dict[str, int]:
    if not all(isinstance(name, str) and isinstance(number, int) for name, number in value.items()):
        raise ValueError("members must be names and numbers")
    return dict(value)
