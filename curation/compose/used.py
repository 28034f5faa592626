"""Which symbol code is about. Knows nothing about where the code comes from."""

from __future__ import annotations

import ast

from curation.compose.calls import dotted, full_name
from symbols.check import bound_names
from symbols.introspect import STDLIB
from symbols.table import BUILTINS, OPAQUE, SymbolTable

_EVERYWHERE = frozenset({"print", "len", "range", "open", "str", "int", "float", "list", "dict", "type", "Exception"})


def best_symbol(code: str, package: str, table: SymbolTable) -> str:
    """The full name of what the code calls of a library, the last call first; empty where it calls nothing of it.

    Args:
        code: valid Python; anything else uses nothing.
        package: the library; the standard library's own names for `stdlib`.
        table: what exists.
    """
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    names = bound_names(tree)
    best, rank = "", 0
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        full = full_name(dotted(node.func), names)
        root, _, last = full.partition(".")
        if not full or last in _EVERYWHERE or table.resolve(full) in (None, OPAQUE):
            continue
        own = root == package.replace("-", "_") or (package == STDLIB and root != BUILTINS)
        builtin = package == STDLIB and root == BUILTINS
        if (2 if own else 1 if builtin else 0) > rank:
            best, rank = full, 2 if own else 1
    return best
