"""Measures of an answer's code: is there any, is it Python, does what it names exist, does it use the symbol.

The code is read, never run. Knows nothing about the rest of the answer.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from bundle.words import ALIASES
from evaluation.measures.blocks import python_blocks
from symbols.check import bound_names, check_code, dotted_name
from symbols.deprecation import deprecated_names
from symbols.table import SymbolTable
from symbols.unbound import unbound

MAX_CODE = 200_000
"""Characters of code beyond which an answer's code isn't read and counts as invalid."""


@dataclass(frozen=True)
class CodeMeasures:
    """What is true of an answer's Python blocks."""

    python_block: bool
    """There is one that isn't blank."""
    valid_python: bool
    """There is one, and Python takes all of them; `await` may stand outside a function, as a prompt allows."""
    existing_symbols: bool
    """They are valid, and every import, attribute chain, keyword argument and function in them exists in the library,
    or is theirs."""
    uses_symbol: bool
    """They are valid, and the symbol asked about is used in them: its last name as an attribute, or imported by that
    name and used. True of valid code where no symbol is asked about."""
    unknown: tuple[str, ...] = ()
    """The names that don't exist, as they are written."""
    deprecated: tuple[str, ...] = ()
    """The full names of what they use that its documentation calls deprecated."""


def measure_code(answer: str, symbol: str, table: SymbolTable, given: str = "") -> CodeMeasures:
    """Measure the code of an answer to a question.

    An answer's blocks are checked as one text: what the first imports, the second may use.

    Args:
        answer: all of it, in Markdown.
        symbol: the full dotted name of what is asked about; empty for nothing in particular.
        table: what exists.
        given: text whose words the code may use as if they were there: the question, and what a check runs before.
    """
    with warnings.catch_warnings(action="ignore"):  # what Python thinks of a model's code is not the user's concern
        blocks = python_blocks(answer)
        trees = _parse(blocks)
        if trees is None:
            return CodeMeasures(bool(blocks), False, False, False)
        uses = not symbol or any(_uses(tree, symbol) for tree in trees)
        code = "\n\n".join(blocks)
        try:
            unknown, deprecated = _unknown(code, table, given), deprecated_names(code, table)
        except (SyntaxError, RecursionError):  # blocks that parse only one by one, or that nest too deeply
            return CodeMeasures(True, True, False, uses)
    return CodeMeasures(True, True, not unknown, uses, tuple(unknown), tuple(deprecated))


def valid_python(answer: str) -> bool:
    """Whether an answer has a Python block, and Python takes all of them."""
    with warnings.catch_warnings(action="ignore"):
        return _parse(python_blocks(answer)) is not None


def _parse(blocks: list[str]) -> list[ast.Module] | None:
    if not blocks or sum(map(len, blocks)) > MAX_CODE:
        return None
    try:
        trees = [ast.parse(block) for block in blocks]
        for tree in trees:
            compile(tree, "answer", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # also null bytes and absurd nesting
        return None
    return trees


def _unknown(code: str, table: SymbolTable, given: str) -> list[str]:
    """What doesn't exist. An import that is missing makes up nothing: a library's usual alias stands for it all the
    same, and a function that is called by its name alone may be any that there is in the libraries."""
    there = set(re.findall(r"\w+", given))
    loose = [one for one in unbound(code, functions=True) if one.name not in there]
    aliased = {one.name: ALIASES[one.name] for one in loose if one.attribute and one.name in ALIASES}
    imports = [
        f"import {module} as {name}\n" for name, module in aliased.items() if module.partition(".")[0] in table.roots
    ]
    found = [finding.name for finding in check_code("".join(imports) + code, table)]
    return [*found, *dict.fromkeys(one.name for one in loose if one.called and one.name not in table.names)]


def _uses(tree: ast.Module, symbol: str) -> bool:
    """Whether code uses a symbol, as far as names tell: which class a method is of isn't followed."""
    root, last = symbol.partition(".")[0], symbol.rpartition(".")[2]
    bound = bound_names(tree)
    imported = {name for node in ast.walk(tree) for name in _imported(node, last)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == last:
            dotted = dotted_name(node, bound)
            if dotted is None or dotted.partition(".")[0] == root:
                return True
        name = node.id if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) else ""
        if name and (name in imported or bound.get(name) == symbol or ("*" in imported and name == last)):
            return True
    return False


def _imported(node: ast.AST, last: str) -> Iterator[str]:
    """The names by which an import gives something of this name; `*` where it may give anything."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        for alias in node.names:
            if alias.name.rpartition(".")[2] in (last, "*"):
                yield alias.asname or alias.name
