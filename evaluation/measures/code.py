"""Measures of an answer's code: is there any, does it parse, does what it names exist, does it use the symbol.

The code is read, never run. Knows nothing about the rest of the answer.
"""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass

from evaluation.measures.blocks import python_blocks
from symbols.check import check_code
from symbols.table import SymbolTable

MAX_CODE = 200_000
"""Characters of code beyond which an answer's code isn't read and counts as invalid."""


@dataclass(frozen=True)
class CodeMeasures:
    """What is true of an answer's Python blocks."""

    python_block: bool
    """There is one that isn't blank."""
    valid_python: bool
    """There is one, and all of them parse."""
    existing_symbols: bool
    """They are valid, and every import, attribute chain and keyword argument in them exists in the library."""
    uses_symbol: bool
    """They are valid, and the last name of the symbol asked about is used in them, as a name or an attribute."""
    unknown: tuple[str, ...] = ()
    """The names that don't exist, as they are written."""


def measure_code(answer: str, symbol: str, table: SymbolTable) -> CodeMeasures:
    """Measure the code of an answer to a question about `symbol` (its full dotted name).

    An answer's blocks are checked as one text: what the first imports, the second may use.
    """
    with warnings.catch_warnings(action="ignore"):  # what Python thinks of a model's code is not the user's concern
        blocks = python_blocks(answer)
        trees = _parse(blocks)
        if trees is None:
            return CodeMeasures(bool(blocks), False, False, False)
        name = symbol.rpartition(".")[2]
        uses = any(_uses(tree, name) for tree in trees)
        try:
            findings = check_code("\n\n".join(blocks), table)
        except (SyntaxError, RecursionError):  # blocks that parse only one by one, or that nest too deeply
            return CodeMeasures(True, True, False, uses)
    return CodeMeasures(True, True, not findings, uses, tuple(finding.name for finding in findings))


def valid_python(answer: str) -> bool:
    """Whether an answer has a Python block, and all of them parse."""
    with warnings.catch_warnings(action="ignore"):
        return _parse(python_blocks(answer)) is not None


def _parse(blocks: list[str]) -> list[ast.Module] | None:
    if not blocks or sum(map(len, blocks)) > MAX_CODE:
        return None
    try:
        return [ast.parse(block) for block in blocks]
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # also null bytes and absurd nesting
        return None


def _uses(tree: ast.Module, name: str) -> bool:
    return any(
        (isinstance(node, ast.Name) and node.id == name) or (isinstance(node, ast.Attribute) and node.attr == name)
        for node in ast.walk(tree)
    )
