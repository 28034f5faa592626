"""Classes as their stubs describe them: members, type parameters, and what they inherit.

Knows nothing about the classes at run time.
"""

from __future__ import annotations

import ast
import typing

from .reader import MAX_DEPTH, Reader
from .stubs import Node, Special, StubSpace, Thing, flat, names_defined
from .unions import Type, substitute


class Member(typing.NamedTuple):
    """A member of a described class."""

    nodes: list[ast.stmt]
    """Its definitions; several for overloads."""
    owner: Described
    """The class that has them."""
    arguments: tuple[Type, ...] | None
    """That class's type arguments, in terms of the class that was asked; None where it is the same."""


class Descriptions:
    """All described classes, each read once."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._found: dict[int, Described] = {}

    def of(self, found: object) -> Described | None:
        """The class that a name of a stub stands for; None where it stands for no class of a stub."""
        if isinstance(found, Special):  # typing's own classes are described in its stub
            stub = self.reader.spaces.stub("typing")
            found = stub.lookup(found.name) if stub else None
        if not isinstance(found, Node) or not isinstance(found.nodes[-1], ast.ClassDef):
            return None
        node = found.nodes[-1]
        if id(node) not in self._found:
            self._found[id(node)] = Described(node, found.space, self)
        return self._found[id(node)]


class Described:
    """A class as its stub describes it."""

    def __init__(self, node: ast.ClassDef, space: StubSpace, every: Descriptions) -> None:
        self.space = space
        self._every = every
        self._members: dict[str, list[ast.stmt]] = {}
        for statement in flat(node.body):
            for name in names_defined(statement):
                self._members.setdefault(name, []).append(statement)
        self.names = frozenset(self._members)
        """The members that it has itself."""
        self._bases = [_split(base) for base in node.bases]
        self.parameters = self._parameters(node)
        """The names of its type variables, in their order."""

    def _parameters(self, node: ast.ClassDef) -> tuple[str, ...]:
        declared = tuple(one.name for one in getattr(node, "type_params", ()))
        for base, inner in self._bases:
            if inner and ast.unparse(base).rpartition(".")[2] in ("Generic", "Protocol"):
                return tuple(one.id for one in inner if isinstance(one, ast.Name))
        used = [one.id for _, inner in self._bases for part in inner for one in ast.walk(part) if _is_name(one)]
        return declared or tuple(dict.fromkeys(name for name in used if self._is_variable(name)))

    def _is_variable(self, name: str) -> bool:
        found = self.space.lookup(name)
        if isinstance(found, Thing):
            return isinstance(found.value, typing.TypeVar)
        if isinstance(found, Special):
            return found.name == "AnyStr"
        value = getattr(found.nodes[-1], "value", None) if isinstance(found, Node) else None
        return isinstance(value, ast.Call) and ast.unparse(value.func).endswith("TypeVar")

    def member(self, name: str, depth: int = 0) -> Member | None:
        """A member, its own or inherited."""
        if name in self._members:
            return Member(self._members[name], self, None)
        for base, inner in self._bases if depth < MAX_DEPTH else ():
            described = self._every.of(self._every.reader.meaning(base, self.space))
            found = described.member(name, depth + 1) if described else None
            if found is not None:
                own = tuple(self._every.reader.annotation(one, self.space, self.parameters) for one in inner)
                mapped = own if found.arguments is None else tuple(substitute(one, own) for one in found.arguments)
                return found._replace(arguments=mapped)
        return None


def _split(base: ast.expr) -> tuple[ast.expr, list[ast.expr]]:
    """A base class and its type arguments."""
    if not isinstance(base, ast.Subscript):
        return base, []
    return base.value, list(base.slice.elts) if isinstance(base.slice, ast.Tuple) else [base.slice]


def _is_name(node: ast.AST) -> typing.TypeGuard[ast.Name]:
    return isinstance(node, ast.Name)
