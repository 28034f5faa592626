"""Statements of examples as a short script: those that show something, what they need, and imports on top.

A value that a prompt would have shown is printed. Nothing is run. Knows nothing about questions and prose.
"""

from __future__ import annotations

import ast
import builtins
import io
import re
import tokenize
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from curation.compose.examples import RANDOM, Step, describe, imported
from curation.compose.imports import Imports

MAX_STATEMENTS = 14
"""Statements that a script has at most."""
_LOOK_BACK = 200
_BUILTINS = frozenset(dir(builtins))
_PRINTING = re.compile(r"(p|pretty_?)?print\w*|pp|info|prmonth|prcal|pryear|pcal|dis|list_\w+_options|show_\w+|help")
_STATEFUL = re.compile(r"(logging|locale|warnings|tracemalloc|matplotlib\.pyplot)\b")
_DEFINING = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_COMPOUND = (ast.For, ast.While, ast.With, ast.If, ast.Try, ast.FunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class Script:
    """Complete code."""

    imports: tuple[str, ...]
    """Its import statements."""
    body: tuple[str, ...]
    """Its other statements, in order; each as its source."""
    shown: int
    """Characters of output that the documentation shows for it."""

    @property
    def code(self) -> str:
        """The source."""
        text = ""
        for number, statement in enumerate(self.body):
            compound = re.match(r"(@|(async )?(def|class|for|while|with|if|try)\b)", statement)
            before = "\n\n" if compound and re.match(r"@|(async )?(def|class)\b", statement) and number else "\n"
            text += ("" if not number else before) + statement
            if compound and number + 1 < len(self.body):
                text += "\n"
        head = "\n".join(self.imports)
        return f"{head}\n\n{text}" if head else text

    @property
    def size(self) -> int:
        """Characters of the code and of its likely output."""
        return len(self.code) + self.shown


class Example:
    """The statements of a page up to the end of one entry, of which scripts are made."""

    def __init__(self, steps: Sequence[Step], imports: Imports) -> None:
        self.steps = steps
        self._imports = imports
        self._needed: dict[int, set[int]] = {}
        self.names = self._imported_names()
        """Names that no statement assigns, and the full dotted names that they stand for."""

    def _imported_names(self) -> dict[str, str]:
        assigned = {name for step in self.steps if not step.imports for name in step.binds}
        found: dict[str, str] = {}
        for step in self.steps:
            if step.imports:
                found.update(imported(step.source))
        for name in {name for step in self.steps for name in step.uses} - assigned - set(found):
            line = self._line(name, len(self.steps))
            if line is not None:
                found.update(imported(line))
            elif name in _BUILTINS:
                found[name] = f"builtins.{name}"
        return {name: dotted for name, dotted in found.items() if name not in assigned}

    def _line(self, name: str, before: int) -> str | None:
        for step in reversed(self.steps[:before]):
            if isinstance(step.tree, ast.ImportFrom) and "*" in step.binds and step.tree.module:
                line = self._imports.starred(step.tree.module, name)
                if line:
                    return line
        return None if name in _BUILTINS else self._imports.line(name)

    def needed(self, number: int) -> set[int]:
        """A statement and those before it that it depends on."""
        if number not in self._needed:
            self._needed[number] = {number} | self._before(set(self.steps[number].uses), number)
        return self._needed[number]

    def needed_by(self, statement: ast.stmt, number: int) -> set[int]:
        """The statements before a place that a statement depends on that is to stand there."""
        return self._before(set(describe("", statement).uses), number)

    def _before(self, needed: set[str], number: int) -> set[int]:
        chosen: set[int] = set()
        for index in range(number - 1, max(-1, number - _LOOK_BACK), -1):
            step = self.steps[index]
            if step.raised or not needed & (step.binds | self._changes(step)):
                continue
            chosen.add(index)
            needed -= step.binds - step.changes
            needed |= step.uses - ({RANDOM} if RANDOM in step.changes else set())
        return chosen

    def _shown(self, step: Step) -> str:
        """The statement as it stands in a script; a call of the example's own function that prints is not printed."""
        call = step.tree.value if isinstance(step.tree, ast.Expr) else None
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in self._printing:
            return step.source
        return printed(step)

    @cached_property
    def _printing(self) -> set[str]:
        """The example's own functions that print and return nothing."""
        return {
            step.tree.name
            for step in self.steps
            if isinstance(step.tree, ast.FunctionDef) and "print(" in step.source and "return" not in step.source
        }

    def _changes(self, step: Step) -> set[str]:
        """What a statement changes; a call of a module's function changes no module, but for those with a state."""
        return {name for name in step.changes if name not in self.names or _STATEFUL.match(self.names[name])}

    def showing(self, number: int) -> int | None:
        """The next statement that shows what this one made; None where there is none."""
        made = self.steps[number].binds | self.steps[number].changes
        for later in range(number + 1, min(number + 7, len(self.steps))):
            step = self.steps[later]
            if step.prints and made & step.uses and isinstance(step.tree, ast.Expr):
                return later
            if step.binds & made:
                break
        return None

    def script(self, chosen: Iterable[int], instead: Mapping[int, Sequence[str]] | None = None) -> Script | None:
        """The script of some statements; None where a name comes from nowhere, or a function or class is made anew.

        Args:
            chosen: the statements' numbers.
            instead: statements that stand in place of some of them.
        """
        numbers = sorted(chosen)
        if len(numbers) > MAX_STATEMENTS:
            return None
        imports: list[str] = []
        body: list[str] = []
        bound: set[str] = set()
        shown = 0
        seen: dict[str, frozenset[str]] = {}
        defined: set[str] = set()
        for index in numbers:
            step = self.steps[index]
            if isinstance(step.tree, _DEFINING) and not step.tree.decorator_list:
                if step.tree.name in defined:
                    return None
                defined.add(step.tree.name)
            if step.imports:
                if "*" not in step.binds:
                    imports.append(step.source)
                    bound |= step.binds
                continue
            inside = step.binds if isinstance(step.tree, _COMPOUND) else frozenset()
            for name in sorted(step.uses - bound - inside - {RANDOM}):
                if name in _BUILTINS and self.names.get(name, "builtins.").startswith("builtins."):
                    continue
                line = self._line(name, index)
                if line is None:
                    return None
                imports.append(line)
                bound.add(name)
            bound |= step.binds
            if step.source in seen and RANDOM not in step.uses:
                continue  # the same assignment once more, with nothing changed between
            seen = {source: names for source, names in seen.items() if not names & (step.binds | step.changes)}
            if isinstance(step.tree, ast.Assign):
                seen[step.source] = step.binds | step.uses
            replaced = (instead or {}).get(index)
            body.extend([self._shown(step)] if replaced is None else replaced)
            shown += min(len(step.output) + 2 * step.output.count("\n"), 400)
        return Script(tuple(pruned(imports, "\n".join(body))), tuple(body), shown)


def pruned(imports: Iterable[str], body: str) -> list[str]:
    """Imports without the names that the code doesn't use, plain ones first, each once."""
    words = set(re.findall(r"\w+", body))
    plain: dict[str, None] = {}
    taken: dict[str, dict[str, None]] = {}
    for line in imports:
        for node in ast.parse(line).body:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if (alias.asname or alias.name.partition(".")[0]) in words:
                        plain[f"import {ast.unparse(alias)}"] = None
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    if (alias.asname or alias.name) in words:
                        taken.setdefault(node.module, {})[ast.unparse(alias)] = None
    return [*plain, *(f"from {module} import {', '.join(names)}" for module, names in taken.items())]


def printed(step: Step) -> str:
    """The statement, with what a prompt would have shown printed."""
    if not step.prints:
        return step.source
    if isinstance(step.tree, ast.Expr):
        return step.source if is_print(step.tree) else f"print({without_comment(step.source)})"
    return _printed_inside(step)


def is_print(tree: ast.stmt) -> bool:
    """Whether a statement is a call that prints."""
    call = tree.value if isinstance(tree, ast.Expr) else None
    name = call.func if isinstance(call, ast.Call) else None
    last = name.attr if isinstance(name, ast.Attribute) else name.id if isinstance(name, ast.Name) else ""
    return _PRINTING.fullmatch(last) is not None


def _printed_inside(step: Step) -> str:
    """A loop whose bare expressions are printed, as the prompt shows them."""
    if not isinstance(step.tree, ast.For | ast.While | ast.With | ast.If) or "print" in step.source:
        return step.source
    lines = step.source.splitlines()
    for node in ast.walk(step.tree):
        if isinstance(node, ast.Expr) and node.lineno == node.end_lineno and node.end_col_offset is not None:
            line = lines[node.lineno - 1].encode()
            inner = line[node.col_offset : node.end_col_offset].decode()
            before, after = line[: node.col_offset].decode(), line[node.end_col_offset :].decode()
            lines[node.lineno - 1] = f"{before}print({inner}){after}"
    return "\n".join(lines)


def without_comment(source: str) -> str:
    """A statement without a comment or a semicolon at its end."""
    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    ending = (tokenize.COMMENT, tokenize.NEWLINE, tokenize.NL, tokenize.DEDENT, tokenize.ENDMARKER)
    row, column = next(one.end for one in reversed(tokens) if one.type not in ending and one.string != ";")
    lines = source.splitlines()[:row]
    return "\n".join([*lines[:-1], lines[-1][:column]])
