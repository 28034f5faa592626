"""Whose method code calls: that of the documented class, or of another class that has one of the same name.

What an object is comes from `symbols.flow`; where that isn't known, nothing is said. Knows nothing about drafts.
"""

from __future__ import annotations

import ast

from symbols.check import bound_names
from symbols.flow import Flow
from symbols.infer import Instance, Named, Typist, Value
from symbols.table import SymbolTable


def of_another_class(tree: ast.Module, symbol: str, table: SymbolTable) -> str:
    """The class whose method or property code uses in place of the symbol; empty where it may well be the symbol's.

    Args:
        tree: the code.
        symbol: the full dotted name of a method or property; anything else is never another's.
        table: what exists.
    """
    owner, _, name = symbol.rpartition(".")
    scope = table.resolve(owner) if owner else None
    if scope is None or scope < 0 or owner in table.modules:
        return ""
    receivers = _Receivers(table, scope, name)
    try:
        Flow(table, bound_names(tree), receivers).follow(tree)
    except RecursionError:
        return ""
    uses = sum(isinstance(node, ast.Attribute) and node.attr == name for node in ast.walk(tree))
    uses += sum(isinstance(node, ast.Name) and node.id == name for node in ast.walk(tree))
    return "" if receivers.own or len(receivers.others) < uses or not uses else receivers.others[0]


class _Receivers:
    """Notes what a name is read from: an object of the class, of another class, or of one that isn't known."""

    def __init__(self, table: SymbolTable, scope: int, name: str) -> None:
        self._table = table
        self._typist = Typist(table)
        self._scope = scope
        self._name = name
        self.own = False
        self.others: list[str] = []

    def attribute(self, node: ast.Attribute, value: Value) -> None:
        if node.attr != self._name:
            return
        if isinstance(value, Named) and value.reference >= 0:
            receivers: tuple[Instance, ...] | None = (Instance(value.reference),)
        else:
            receivers = self._typist.itself(value)
        if receivers is None or any(self._related(one.scope) for one in receivers):
            self.own = True
        else:
            self.others.append(self._table.scopes[receivers[0].scope].name)

    def call(self, node: ast.Call, function: Value) -> None:
        """Calls are judged by the attributes that they call."""

    def _related(self, scope: int) -> bool:
        """Whether the class is the documented one, derived from it, or one that it is derived from."""
        return self._scope in self._table.lineage(scope) or scope in self._table.lineage(self._scope)
