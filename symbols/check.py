"""Checks code against a symbol table: imports, attribute chains and keywords that don't exist.

It reads the syntax tree and runs nothing. Names of imports are judged here: a name that is bound in more than one way
anywhere in the code is not followed. What instances have is judged by `symbols.instances`, along `symbols.flow`.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Mapping, Sequence

from symbols.finding import Finding, Problem, nearest, unused
from symbols.flow import Flow, guards
from symbols.instances import InstanceJudge
from symbols.table import BUILTINS, SymbolTable

_NAMED = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef),
    *(ast.ExceptHandler, ast.MatchStar, ast.MatchAs),
)


def check_code(code: str, table: SymbolTable) -> list[Finding]:
    """What a piece of code names that does not exist, in the order of its lines.

    Only libraries in the table are looked into; importing a top-level module that is neither in the table nor known
    to be importable is `no-such-module`.

    Raises:
        SyntaxError: the code is not valid Python, or nests too deeply.
    """
    tree = parse(code)
    bound = bound_names(tree)
    checker = _Checker(table, bound)
    try:
        checker.visit(tree)
        Flow(table, bound, InstanceJudge(table, tree, checker.findings.append)).follow(tree)
    except RecursionError:
        raise SyntaxError("the code nests too deeply") from None
    return sorted(set(checker.findings), key=lambda one: (one.line, one.name))


def parse(code: str) -> ast.Module:
    """The code's syntax tree.

    Raises:
        SyntaxError: the code is not valid Python.
    """
    try:
        return ast.parse(code)
    except (ValueError, RecursionError, MemoryError) as error:
        raise SyntaxError(str(error)) from None


def bound_names(tree: ast.AST) -> dict[str, str]:
    """The names that stand for one full dotted name wherever the code uses them.

    Names bound by exactly one kind of import, and built-in names that the code never binds.
    """
    imports: dict[str, set[str]] = {}
    others: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                target = alias.name if alias.asname else alias.name.partition(".")[0]
                imports.setdefault(alias.asname or target, set()).add(target)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                name = alias.asname or alias.name
                if node.level or not node.module:
                    others.add(name)
                else:
                    imports.setdefault(name, set()).add(f"{node.module}.{alias.name}")
        else:
            others.update(binds(node))
    bound = {name: targets.pop() for name, targets in imports.items() if len(targets) == 1 and name not in others}
    if "*" not in imports:
        free = [name for name in dir(builtins) if name not in imports and name not in others]
        bound.update({name: f"{BUILTINS}.{name}" for name in free if not name.startswith("_")})
    bound.pop("*", None)
    return bound


def binds(node: ast.AST) -> Iterator[str]:
    """The names that a node binds, other than by import."""
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, _NAMED) and node.name:
        yield node.name
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest
    elif isinstance(node, ast.Global | ast.Nonlocal):
        yield from node.names


def dotted_name(node: ast.AST, bound: Mapping[str, str]) -> str | None:
    """The full dotted name of a name, or of an attribute chain on one, that stands for one; else None.

    Args:
        node: the expression.
        bound: as `bound_names` gives it.
    """
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in bound:
        return None
    return ".".join([bound[node.id], *reversed(parts)])


class _Checker(ast.NodeVisitor):
    def __init__(self, table: SymbolTable, bound: dict[str, str]) -> None:
        self._table = table
        self._bound = bound
        self.findings: list[Finding] = []

    def visit_Try(self, node: ast.Try) -> None:
        for part in (*([] if guards(node) else node.body), *node.handlers, *node.orelse, *node.finalbody):
            self.visit(part)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._check_module(node, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.level or not node.module or not self._check_module(node, node.module):
            return
        for alias in node.names:
            if alias.name != "*":
                self._check_chain(node, f"{node.module}.{alias.name}")

    def visit_Attribute(self, node: ast.Attribute) -> None:
        dotted = dotted_name(node, self._bound)
        if dotted is None:
            self.generic_visit(node)
        elif isinstance(node.ctx, ast.Load):
            self._check_chain(node, dotted)

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        dotted = dotted_name(node.func, self._bound)
        reference = self._table.resolve(dotted) if dotted else None
        taken = None if reference is None else self._table.call_keywords(reference)
        if taken is None or dotted is None:
            return
        for keyword in node.keywords:
            if keyword.arg is not None and keyword.arg not in taken:
                near = nearest(keyword.arg, taken)
                self._report(keyword, f"{_spoken(dotted)}({keyword.arg})", "no-such-keyword", near, unused(node, taken))

    def _check_module(self, node: ast.AST, dotted: str) -> bool:
        """Report a module that does not exist; whether it is one of a library in the table."""
        root, *rest = dotted.split(".")
        if root not in self._table.roots:
            if root not in self._table.known and not root.startswith("_"):
                self._report(node, dotted, "no-such-module", nearest(root, sorted(self._table.known)))
            return False
        if dotted in self._table.modules or any(part.startswith("_") for part in rest):
            return True
        within = root
        for part in rest:
            if f"{within}.{part}" not in self._table.modules:
                siblings = [name for name in self._table.modules if name.rpartition(".")[0] == within]
                near = nearest(f"{within}.{part}", sorted(siblings))
                self._report(node, dotted, "no-such-module", near)
                return False
            within = f"{within}.{part}"
        return True

    def _check_chain(self, node: ast.AST, dotted: str) -> None:
        first, *rest = dotted.split(".")
        reference = self._table.roots.get(first)
        if reference is None:
            return
        within = first
        for name in rest:
            if name.startswith("_"):
                return
            found = self._table.member(reference, name)
            if found is None:
                if f"{within}.{name}" not in self._table.modules:
                    names = self._table.members(reference)
                    near = nearest(name, names)
                    full = f"{within}.{near}" if near else ""
                    self._report(node, _spoken(f"{within}.{name}"), "no-such-attribute", _spoken(full), names)
                return
            reference, within = found, f"{within}.{name}"

    def _report(self, node: ast.AST, name: str, problem: Problem, near: str, others: Sequence[str] = ()) -> None:
        self.findings.append(Finding(getattr(node, "lineno", 1), name, problem, near, tuple(others)))


def _spoken(dotted: str) -> str:
    """A dotted name as code has it: built-in names come without their module."""
    return dotted.removeprefix(f"{BUILTINS}.")
