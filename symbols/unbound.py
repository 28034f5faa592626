"""Names that code uses and that nothing in it binds.

It reads the syntax tree and runs nothing. Names in functions aren't looked at unless they are asked for, since they may
be bound by then (their decorators are), nor those in a `try` that expects that names don't exist.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from dataclasses import dataclass

from symbols.check import binds, parse
from symbols.flow import GUARDS, guards

_EXPECTED = GUARDS | {"NameError"}
_LATER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@dataclass(frozen=True)
class Unbound:
    """A use of a name that nothing binds."""

    name: str
    attribute: str
    """Which attribute of it is used; empty where it is used by itself."""
    line: int
    """Where the statement begins that uses it, from 1."""
    called: bool = False
    """Whether it is called by itself."""


def unbound(code: str, *, functions: bool = False) -> list[Unbound]:
    """The uses of names that nothing in some code binds, in their order; none where it may import anything (`*`).

    Args:
        code: what is read.
        functions: whether functions are looked into.

    Raises:
        SyntaxError: the code is not valid Python, or nests too deeply.
    """
    tree = parse(code)
    bound = set(dir(builtins)) | {"__name__", "__file__", "__doc__"}
    for node in ast.walk(tree):
        bound.update(binds(node))
        if isinstance(node, ast.Import | ast.ImportFrom):
            bound.update(alias.asname or alias.name.partition(".")[0] for alias in node.names)
    try:
        return [] if "*" in bound else [one for one in _uses(tree, 1, functions) if one.name not in bound]
    except RecursionError:
        raise SyntaxError("the code nests too deeply") from None


def _uses(node: ast.AST, line: int, functions: bool) -> Iterator[Unbound]:
    if isinstance(node, ast.stmt):
        line = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))])
    if isinstance(node, _LATER) and not functions:
        for decorator in getattr(node, "decorator_list", ()):
            yield from _uses(decorator, line, functions)
        return
    if isinstance(node, ast.Try) and guards(node, _EXPECTED):
        return
    if isinstance(node, ast.Name):
        yield Unbound(node.id, "", line)
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        yield Unbound(node.value.id, node.attr, line)
    else:
        for child in ast.iter_child_nodes(node):
            if isinstance(node, ast.Call) and child is node.func and isinstance(child, ast.Name):
                yield Unbound(child.id, "", line, called=True)
            else:
                yield from _uses(child, line, functions)
