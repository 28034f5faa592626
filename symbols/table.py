"""The symbol table: what exists in the libraries that were looked at, as a frozen value and as a JSON file.

Modules and classes are scopes with members; a member is another scope, a leaf (a function or a value of which something
is known), or opaque: it exists, and nothing more is known of it. Types tell what calls and values give. Knows nothing
about how the libraries were looked at.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

FORMAT = 2
OPAQUE = -1
"""The reference of a member of which only its existence is known."""
BUILTINS = "builtins"
RECEIVER = -1
"""In a type: the class of the object that the member was looked up on. `-2 - n` is that object's type argument n."""
UNKNOWN = -1
"""The number of a type that isn't known."""
LABELS, ANY, ABSTRACT = 1, 2, 3
"""Openness of a class: its instances have labels, such as column names, as attributes; they and those of derived
classes may have any attribute; nothing is an instance of this very class."""
MAX_ARGUMENTS = 16
"""Most arguments of a class in a type, and most classes in a union."""
DERIVED, EXACT = 1, 2
"""What calling a class makes: an instance of it or of a derived class, an instance of exactly this class."""

Alternative = tuple[int, ...]
"""A class's scope (or `RECEIVER`, or below) and the numbers of the types that are its arguments."""


class SymbolTableError(ValueError):
    """A symbol table that is missing or damaged; the text is one line."""


@dataclass(frozen=True)
class Scope:
    """A module or a class.

    A reference is a scope's number, `OPAQUE`, or `-2 - n` for the table's leaf n.
    """

    members: Mapping[str, int]
    """Public attribute names and what they refer to; inherited ones are in the bases."""
    bases: tuple[int, ...] = ()
    """Scopes of the classes that a class inherits from."""
    keywords: int | None = None
    """For a class: the keyword list that its call takes; None where that is open or unknown."""
    attributes: Mapping[str, int] = field(default_factory=dict)
    """For a class: what its instances have that the class hasn't, or has otherwise."""
    specials: Mapping[str, int] = field(default_factory=dict)
    """For a class: the types that `[` (subscripts), `for`, `with`, `(` (calls) and operators give on instances."""
    openness: int = 0
    """For a class: 0 where instances have no other attributes, else `LABELS`, `ANY` or `ABSTRACT`."""
    name: str = ""
    """For a class: its full name, as it gives it itself."""
    makes: int = 0
    """For a class: whether calling it gives an instance of it, `EXACT` or maybe `DERIVED`; 0 where nothing tells."""
    metaclass: int | None = None
    """For a class: its metaclass's scope, where that isn't `type`."""
    rare: bool = False
    """For a class: whether what is said to be of a class that it derives from is never one of it."""


@dataclass(frozen=True)
class Leaf:
    """A function or a value, or an object that is both; each number is `UNKNOWN` where nothing is known."""

    keywords: int = UNKNOWN
    """The keyword list that a call takes."""
    result: int = UNKNOWN
    """The type that a call gives."""
    value: int = UNKNOWN
    """The type of a value, such as a property's."""


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
    leaves: Sequence[Leaf] = field(repr=False)
    """Functions and values."""
    types: Sequence[tuple[Alternative, ...]] = field(repr=False)
    """Types, each a union of alternatives."""
    scopes: Sequence[Scope] = field(repr=False)
    """All modules and classes."""
    deprecated: frozenset[str] = frozenset()
    """Full dotted names of what its documentation calls deprecated."""

    def member(self, reference: int, name: str) -> int | None:
        """What an attribute of `reference` refers to; None where a scope has no such attribute."""
        if reference < 0:
            return OPAQUE
        for number in self._searched(reference):
            if name in self.scopes[number].members:
                return self.scopes[number].members[name]
        return None

    def members(self, reference: int) -> list[str]:
        """The public attribute names of a scope, inherited ones included, sorted; none for anything else."""
        searched = self._searched(reference) if reference >= 0 else ()
        return sorted({name for number in searched for name in self.scopes[number].members})

    def _searched(self, reference: int) -> Iterator[int]:
        """The scopes where an attribute of a module or a class is looked for."""
        kinds = []
        for number in self.lineage(reference):
            yield number
            kinds.append(self.scopes[number].metaclass)
        for kind in dict.fromkeys(kinds):
            yield from () if kind is None else self.lineage(kind)

    def call_keywords(self, reference: int) -> tuple[str, ...] | None:
        """The keywords that calling `reference` takes; None where they are open or unknown."""
        leaf = self.leaf(reference)
        number: int | None = leaf.keywords
        if reference >= 0:
            number = self.scopes[reference].keywords
        return None if number is None or number == UNKNOWN else self.keywords[number]

    def openness(self, reference: int) -> int:
        """A class's own openness, or what it inherits of it."""
        own = self.scopes[reference].openness
        inherited = {self.scopes[base].openness for base in self.lineage(reference)} - {ABSTRACT}
        return ANY if ANY in inherited else own or max(inherited, default=0)

    def leaf(self, reference: int) -> Leaf:
        """The function or value that `reference` refers to; an empty one where it refers to neither."""
        return self.leaves[-2 - reference] if reference < OPAQUE else Leaf()

    def lineage(self, reference: int) -> Iterator[int]:
        """A class's scope and those of all that it inherits from, nearest first."""
        pending, seen = [reference], {reference}
        while pending:
            number = pending.pop(0)
            yield number
            fresh = [base for base in self.scopes[number].bases if base not in seen]
            seen.update(fresh)
            pending.extend(fresh)

    def heirs(self, reference: int) -> Mapping[str, tuple[int, ...]]:
        """The attribute names that classes derived from a class have beside its own, and what they refer to there."""
        if reference not in self._heirs:
            own = set(self.lineage(reference))
            names: dict[str, tuple[int, ...]] = {}
            for scope in {one for derived in self._derived.get(reference, ()) for one in self.lineage(derived)} - own:
                for members in (self.scopes[scope].members, self.scopes[scope].attributes):
                    for name, number in members.items():
                        names[name] = (*names.get(name, ()), number)
            self._heirs[reference] = names
        return self._heirs[reference]

    @cached_property
    def names(self) -> frozenset[str]:
        """Every name that any module or class has."""
        return frozenset(name for scope in self.scopes for name in scope.members)

    @cached_property
    def _heirs(self) -> dict[int, Mapping[str, tuple[int, ...]]]:
        return {}

    @cached_property
    def _derived(self) -> Mapping[int, Sequence[int]]:
        found: dict[int, list[int]] = {}
        lineages = [tuple(self.lineage(number)) for number in range(len(self.scopes))]
        rare = [any(self.scopes[one].rare for one in lineage) for lineage in lineages]
        for number, lineage in enumerate(lineages):
            for base in lineage[1:]:
                if rare[base] or not rare[number]:
                    found.setdefault(base, []).append(number)
        return found

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
        scopes, lists, leaves, types = len(self.scopes), len(self.keywords), len(self.leaves), len(self.types)

        def shift(reference: int) -> int:
            return reference + scopes if reference >= 0 else reference - leaves if reference < OPAQUE else OPAQUE

        def up(number: int, by: int) -> int:
            return number + by if number >= 0 else number

        moved = [
            Scope(
                {name: shift(reference) for name, reference in scope.members.items()},
                tuple(base + scopes for base in scope.bases),
                None if scope.keywords is None else scope.keywords + lists,
                {name: shift(reference) for name, reference in scope.attributes.items()},
                {sign: up(number, types) for sign, number in scope.specials.items()},
                scope.openness,
                scope.name,
                scope.makes,
                None if scope.metaclass is None else scope.metaclass + scopes,
                scope.rare,
            )
            for scope in other.scopes
        ]
        return SymbolTable(
            {**other.packages, **self.packages},
            self.known | other.known,
            {**{name: number + scopes for name, number in other.roots.items()}, **self.roots},
            self.modules | other.modules,
            [*self.keywords, *other.keywords],
            [
                *self.leaves,
                *(Leaf(up(one.keywords, lists), up(one.result, types), up(one.value, types)) for one in other.leaves),
            ],
            [
                *self.types,
                *(
                    tuple((up(one[0], scopes), *(up(n, types) for n in one[1:])) for one in union)
                    for union in other.types
                ),
            ],
            [*self.scopes, *moved],
            self.deprecated | other.deprecated,
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
            if scope.attributes:
                value["i"] = dict(scope.attributes)
            if scope.specials:
                value["s"] = dict(scope.specials)
            if scope.openness:
                value["o"] = scope.openness
            if scope.name:
                value["n"] = scope.name
            if scope.makes:
                value["e"] = scope.makes
            if scope.metaclass is not None:
                value["t"] = scope.metaclass
            if scope.rare:
                value["r"] = 1
            scopes.append(value)
        return {
            "format": FORMAT,
            "packages": dict(self.packages),
            "known": sorted(self.known),
            "roots": dict(self.roots),
            "modules": sorted(self.modules),
            "keywords": [list(names) for names in self.keywords],
            "leaves": [[one.keywords, one.result, one.value] for one in self.leaves],
            "types": [[list(one) for one in union] for union in self.types],
            "scopes": scopes,
            "deprecated": sorted(self.deprecated),
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
            table = cls(
                {str(name): str(version) for name, version in value["packages"].items()},
                frozenset(map(str, value["known"])),
                _references(value["roots"]),
                frozenset(map(str, value["modules"])),
                [tuple(map(str, names)) for names in value["keywords"]],
                [Leaf(*map(_number, one)) for one in value["leaves"]],
                [tuple(tuple(map(_number, one)) for one in union) for union in value["types"]],
                [_scope(one) for one in value["scopes"]],
                frozenset(map(str, value.get("deprecated", ()))),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            if isinstance(error, SymbolTableError):
                raise
            raise SymbolTableError(f"not a symbol table ({type(error).__name__}: {error})") from None
        table._check()
        return table

    def _check(self) -> None:
        references = [one for scope in self.scopes for one in (*scope.members.values(), *scope.attributes.values())]
        classes = [base for scope in self.scopes for base in scope.bases]
        classes += [scope.metaclass for scope in self.scopes if scope.metaclass is not None]
        classes += self.roots.values()
        heads = [one[0] for union in self.types for one in union]
        inside = [one[1:] for union in self.types for one in union]
        if any(number >= place for place, union in enumerate(self.types) for one in union for number in one[1:]):
            raise SymbolTableError("a symbol table whose types go round in circles")
        if max(map(len, inside), default=0) > MAX_ARGUMENTS or max(map(len, self.types), default=0) > MAX_ARGUMENTS:
            raise SymbolTableError(f"a symbol table with types of more than {MAX_ARGUMENTS} parts")
        types = [number for one in inside for number in one]
        types += [number for leaf in self.leaves for number in (leaf.result, leaf.value)]
        types += [number for scope in self.scopes for number in scope.specials.values()]
        keywords = [leaf.keywords for leaf in self.leaves]
        keywords += [scope.keywords for scope in self.scopes if scope.keywords is not None]
        scopes = len(self.scopes)
        for numbers, lowest, count in (
            (references, -1 - len(self.leaves), scopes),
            (classes, 0, scopes),
            (heads, -100, scopes),
            (types, UNKNOWN, len(self.types)),
            (keywords, UNKNOWN, len(self.keywords)),
        ):
            if numbers and not lowest <= min(numbers) <= max(numbers) < count:
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


def _scope(value: Any) -> Scope:
    taken, kind = value.get("k"), value.get("t")
    return Scope(
        _references(value["m"]),
        tuple(map(_number, value.get("b", ()))),
        None if taken is None else _number(taken),
        _references(value.get("i", {})),
        _references(value.get("s", {})),
        _number(value.get("o", 0)),
        str(value.get("n", "")),
        _number(value.get("e", 0)),
        None if kind is None else _number(kind),
        bool(value.get("r")),
    )


def _number(value: Any) -> int:
    if not isinstance(value, int):
        raise ValueError(f"{value!r} is no number")
    return value


def _references(value: Any) -> dict[str, int]:
    if not all(isinstance(name, str) and isinstance(number, int) for name, number in value.items()):
        raise ValueError("members must be names and numbers")
    return dict(value)
