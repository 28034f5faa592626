"""Calls in a statement or a script: finding those of a symbol, what they pass, and small edits of their text.

Knows nothing about why one would edit a call.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from symbols.introspect import Parameter


@dataclass(frozen=True)
class Call:
    """A call of a symbol."""

    node: ast.Call
    passed: Mapping[str, ast.expr]
    """What is passed, by the parameter's name."""
    keywords: frozenset[str]
    """Parameters that are passed by their names."""


def dotted(node: ast.expr) -> str:
    """An attribute chain on a name, e.g. `np.linalg.norm`; empty for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def full_name(chain: str, names: Mapping[str, str]) -> str:
    """What a chain stands for, its first name being one of `names`; empty where it isn't."""
    root, _, rest = chain.partition(".")
    return "" if root not in names else f"{names[root]}.{rest}" if rest else names[root]


def is_symbol(node: ast.expr, symbol: str, on_instances: bool, names: Mapping[str, str]) -> bool:
    """Whether an expression is the symbol, as far as its names tell."""
    chain = dotted(node)
    if chain and full_name(chain, names) == symbol:
        return True
    last = symbol.rpartition(".")[2]
    if not isinstance(node, ast.Attribute) or node.attr != last:
        return False
    return on_instances and not (chain and full_name(chain, names))


def calls_of(
    tree: ast.AST, symbol: str, on_instances: bool, names: Mapping[str, str], parameters: Sequence[Parameter] | None
) -> Iterator[Call]:
    """The calls of a symbol in code, outermost first."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and is_symbol(node.func, symbol, on_instances, names):
            yield _bound(node, parameters or ())


def _bound(node: ast.Call, parameters: Sequence[Parameter]) -> Call:
    places = []
    for one in parameters:
        if not one.kind.startswith("positional"):
            break
        places.append(one.name)
    passed: dict[str, ast.expr] = {}
    for name, value in zip(places, node.args, strict=False):
        if isinstance(value, ast.Starred):
            break
        passed[name] = value
    keywords = {one.arg: one.value for one in node.keywords if one.arg}
    return Call(node, {**passed, **keywords}, frozenset(keywords))


class Text:
    """Source whose pieces can be found by their nodes."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._starts = [0]
        for line in source.encode().splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._bytes = source.encode()

    def span(self, node: ast.expr | ast.keyword | ast.stmt) -> tuple[int, int]:
        """Where a node begins and ends, in bytes."""
        assert node.end_lineno is not None and node.end_col_offset is not None
        return (
            self._starts[node.lineno - 1] + node.col_offset,
            self._starts[node.end_lineno - 1] + node.end_col_offset,
        )

    def piece(self, node: ast.expr | ast.keyword | ast.stmt) -> str:
        """A node's source."""
        start, end = self.span(node)
        return self._bytes[start:end].decode()

    def cut(self, start: int, end: int, instead: str = "") -> str:
        """The source with a part replaced."""
        return (self._bytes[:start] + instead.encode() + self._bytes[end:]).decode()

    def replaced(self, node: ast.expr | ast.keyword | ast.stmt, instead: str) -> str:
        """The source with a node replaced."""
        return self.cut(*self.span(node), instead)

    def without_argument(self, call: ast.Call, argument: ast.expr | ast.keyword) -> str | None:
        """The source with an argument of a call taken out; None where that can't be done by its commas."""
        order: list[ast.expr | ast.keyword] = sorted(
            [*call.args, *call.keywords], key=lambda one: (one.lineno, one.col_offset)
        )
        place = next((number for number, one in enumerate(order) if one is argument), -1)
        if place < 0:
            return None
        start, end = self.span(argument)
        if place:
            start = self.span(order[place - 1])[1]
        elif len(order) > 1:
            end = self.span(order[1])[0]
        text = self.cut(start, end)
        try:
            ast.parse(text)
        except SyntaxError:
            return None
        return text
