"""An answer's Python blocks as one script, in their order.

Blocks that were written to stand alone may each begin with imports from `__future__`, which Python takes only at a
script's beginning: they come first, for all blocks. Knows nothing about what else the code does.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Sequence


def script(blocks: Sequence[str]) -> str:
    """The text of the script; of blocks that begin as Python doesn't, that says so when it is run."""
    futures = [_futures(block) for block in blocks]
    if not any(futures[1:]):
        return "\n\n".join(blocks)
    imports = dict.fromkeys(ast.unparse(node) for nodes in futures for node in nodes)
    rest = [_without(block, nodes) for block, nodes in zip(blocks, futures, strict=True)]
    return "\n".join([*imports, "\n\n".join(rest)])


def _futures(block: str) -> list[ast.ImportFrom]:
    """The imports from `__future__` that a block begins with, after a docstring perhaps."""
    try:
        with warnings.catch_warnings(action="ignore"):
            body = ast.parse(block).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the run will say so
        return []
    found: list[ast.ImportFrom] = []
    for number, node in enumerate(body):
        if isinstance(node, ast.ImportFrom) and node.module == "__future__" and not node.level:
            found.append(node)
        elif number or not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            break
    return found


def _without(block: str, nodes: Sequence[ast.ImportFrom]) -> str:
    """The block with `pass` in these statements' places, on as many lines."""
    lines = re.split(r"\r\n?|\n", block)
    for node in reversed(nodes):
        begin, end = node.lineno - 1, node.end_lineno or node.lineno
        before = lines[begin].encode()[: node.col_offset].decode()
        after = lines[end - 1].encode()[node.end_col_offset :].decode()
        lines[begin:end] = [f"{before}pass{after}", *[""] * (end - begin - 1)]
    return "\n".join(lines)
