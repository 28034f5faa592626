"""Correct code with what of it can be made wrong, and code made wrong. Knows nothing about how it is made wrong."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import cached_property

from curation.compose.calls import Call, calls_of, is_symbol
from symbols.check import bound_names
from symbols.introspect import Parameter
from symbols.table import SymbolTable

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


@dataclass(frozen=True)
class Correct:
    """Correct code, and what of it is to be made wrong."""

    code: str
    symbol: str
    """The full dotted name as the code's imports give it."""
    kind: str
    """What the symbol is: function, class, exception, method or property."""
    parameters: tuple[Parameter, ...]
    """What it takes; empty where that is unknown."""
    numbers: frozenset[str]
    """Parameters that have to be numbers."""
    wrong_names: dict[str, str]
    """Keyword → what people call it by mistake."""
    table: SymbolTable
    salt: float
    """From 0 to 1; chooses how a name is misspelt."""
    tree: ast.Module = field(init=False)
    names: dict[str, str] = field(init=False)
    """The code's names and the full dotted names that they stand for."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "tree", ast.parse(self.code))
        object.__setattr__(self, "names", bound_names(self.tree))

    @property
    def on_instances(self) -> bool:
        """Whether the symbol is used on objects of its class."""
        return self.kind in ("method", "property")

    @property
    def last(self) -> str:
        """The last part of the symbol's name."""
        return self.symbol.rpartition(".")[2]

    @property
    def calls(self) -> list[Call]:
        """The calls of the symbol, in the code's order."""
        found = calls_of(self.tree, self.symbol, self.on_instances, self.names, self.parameters)
        found = (call for call in found if id(call.node) not in self.inner)
        return sorted(found, key=lambda call: (call.node.lineno, call.node.col_offset))

    @cached_property
    def inner(self) -> set[int]:
        """The nodes inside functions and classes, which run later or never."""
        outer = [node for node in ast.walk(self.tree) if isinstance(node, _DEFINITIONS)]
        return {id(node) for one in outer for node in ast.walk(one)}

    @property
    def uses(self) -> list[ast.expr]:
        """Where the symbol is used, in the code's order."""
        found = [
            node
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Attribute | ast.Name)
            and isinstance(node.ctx, ast.Load)
            and id(node) not in self.inner
            and is_symbol(node, self.symbol, self.on_instances, self.names)
        ]
        return sorted(found, key=lambda node: (node.lineno, node.col_offset))


@dataclass(frozen=True)
class Mutation:
    """Wrong code."""

    failing: str
    expects: str
    """The exception that it ends with, by its last name."""
    cause: str
    """The key of the templates that say why."""
    wrong: str
    """What stands there."""
    right: str
    """What should stand there."""
    owner: str = ""
    """Where the wrong name is looked for."""
