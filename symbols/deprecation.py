"""What code uses of some libraries that their documentation calls deprecated.

It reads the syntax tree and runs nothing. Knows nothing about what instances are: only names that are imported, and
attribute chains on them, are looked at.
"""

from __future__ import annotations

import ast
from itertools import accumulate

from symbols.check import bound_names, dotted_name, parse
from symbols.table import SymbolTable


def deprecated_names(code: str, table: SymbolTable) -> list[str]:
    """The full dotted names, sorted, of what is deprecated: a symbol itself, or a module or class on the way to it.

    Raises:
        SyntaxError: the code is not valid Python.
    """
    tree = parse(code)
    bound = bound_names(tree)
    used: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            used.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            used.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute | ast.Name) and (dotted := dotted_name(node, bound)):
            used.add(dotted)
    reached = {part for name in used for part in accumulate(name.split("."), lambda so_far, one: f"{so_far}.{one}")}
    return sorted(reached & table.deprecated)
