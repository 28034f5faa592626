"""Which entries of a question's must list an answer satisfies.

Code is read, never run, and by last names: `requests.get` is satisfied by `get` as a name or an attribute, whatever
it is an attribute of, under the name too that `from … import … as` gave it; also by an attribute that is assigned, not
by such a name. Keywords are those written in a call, in `functools.partial` around the symbol, or in a dictionary that
is handed over with `**`. `contextlib.suppress` counts as catching. Texts of ideas and of code are found where a word
begins, and `_` divides words, too: `tie` isn't in "priorities". Comments are no code, and blocks that aren't valid
Python satisfy nothing but ideas. Knows nothing about what exists in a library.
"""

from __future__ import annotations

import ast
import contextlib
import re
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field

from evaluation.measures.blocks import python_blocks
from evaluation.measures.code import MAX_CODE
from evaluation.suite.question import Handled, Idea, Must, Question, Symbol, Written


@dataclass(frozen=True)
class Completeness:
    """What an answer has of what it must contain."""

    entries: tuple[tuple[Must, bool], ...]
    """Each entry, and whether the answer satisfies it."""

    @property
    def share(self) -> float:
        """Share of the entries that are satisfied, from 0 to 1."""
        return sum(satisfied for _, satisfied in self.entries) / len(self.entries)

    @property
    def missing(self) -> tuple[Must, ...]:
        """The entries that aren't satisfied."""
        return tuple(entry for entry, satisfied in self.entries if not satisfied)


def completeness(question: Question, answer: str) -> Completeness:
    """Compare an answer, in Markdown, with the question's must list."""
    code = _read(answer)
    said = _plain(answer.casefold())
    return Completeness(tuple((entry, _satisfied(entry, code, said)) for entry in question.must))


def _satisfied(entry: Must, code: _Code, said: str) -> bool:
    if isinstance(entry, Idea):
        return any(_stands(text.casefold(), said) for text in entry.any)
    if isinstance(entry, Written):
        return any(_stands(text, code.text) for text in entry.any)
    name = entry.name.rpartition(".")[2]
    if isinstance(entry, Handled):
        return name in code.handled
    if isinstance(entry, Symbol) and entry.keywords:
        return any(set(entry.keywords) <= keywords for keywords in code.calls.get(name, ()))
    return name in code.used


def _stands(text: str, within: str) -> bool:
    """Whether a text stands there; one that begins with a letter or digit, only where a word begins."""
    wanted = _plain(text)
    begin = r"(?<![^\W_])" if wanted[:1].isalnum() else ""
    return re.search(begin + re.escape(wanted), within) is not None


def _plain(text: str) -> str:
    return " ".join(text.split())


@dataclass
class _Code:
    """What is in an answer's code, by last names."""

    text: str = ""
    """All of it on one line, without comments."""
    used: set[str] = field(default_factory=set)
    handled: set[str] = field(default_factory=set)
    calls: dict[str, list[set[str]]] = field(default_factory=dict)
    """The keywords of each call."""


def _read(answer: str) -> _Code:
    blocks = python_blocks(answer)
    nodes: list[ast.AST] = []
    texts: list[str] = []
    if sum(map(len, blocks)) <= MAX_CODE:
        for block in blocks:
            try:
                with warnings.catch_warnings(action="ignore"):  # what Python thinks of it is not the user's concern
                    nodes += ast.walk(ast.parse(block))
                texts.append(_uncommented(block))
            except (SyntaxError, ValueError, RecursionError, MemoryError):  # also null bytes and absurd nesting
                continue
    code = _Reading(nodes).code
    code.text = _plain("\n".join(texts))
    return code


def _uncommented(block: str) -> str:
    """A valid block's text without its comments."""
    lines = re.split(r"\r\n?|\n", block)
    with contextlib.suppress(tokenize.TokenError, SyntaxError):  # what is beyond the tokeniser stays as it is
        for token in tokenize.generate_tokens(iter([f"{line}\n" for line in lines]).__next__):
            if token.type == tokenize.COMMENT:
                (row, begin), (_, end) = token.start, token.end
                lines[row - 1] = lines[row - 1][:begin] + lines[row - 1][end:]
    return "\n".join(lines)


class _Reading:
    def __init__(self, nodes: list[ast.AST]) -> None:
        self.code = _Code()
        self._aliases = {
            one.asname: one.name.rpartition(".")[2]
            for node in nodes
            if isinstance(node, ast.Import | ast.ImportFrom)
            for one in node.names
            if one.asname
        }
        self._assigned: dict[str, list[ast.expr]] = {}
        for node in nodes:
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                    if isinstance(target, ast.Name):
                        self._assigned.setdefault(target.id, []).append(node.value)
        for node in nodes:
            self._take(node)

    def _take(self, node: ast.AST) -> None:
        if isinstance(node, ast.Attribute) or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)):
            self.code.used.add(self._last(node))
        if isinstance(node, ast.ExceptHandler) and node.type:
            self.code.handled.update(self._names(node.type))
        elif isinstance(node, ast.Raise) and node.exc:
            self.code.handled.update(self._names(node.exc))
        elif isinstance(node, ast.Call):
            name = self._last(node.func)
            self.code.calls.setdefault(name, []).append(self._keywords(node))
            if name == "suppress":
                self.code.handled.update(found for one in node.args for found in self._names(one))
            elif name in ("partial", "partialmethod") and node.args:
                self.code.calls.setdefault(self._last(node.args[0]), []).append(self._keywords(node))

    def _last(self, node: ast.expr) -> str:
        """The last name of what stands there; empty where it has none."""
        if isinstance(node, ast.Attribute):
            return node.attr
        return self._aliases.get(node.id, node.id) if isinstance(node, ast.Name) else ""

    def _names(self, node: ast.expr, follow: bool = True) -> Iterator[str]:
        """The last names of the exceptions that stand there, in a tuple, called, or behind a name."""
        if isinstance(node, ast.Tuple):
            for one in node.elts:
                yield from self._names(one, follow)
        elif isinstance(node, ast.Call):
            yield self._last(node.func)
        else:
            yield self._last(node)
            if follow and isinstance(node, ast.Name):
                for value in self._assigned.get(node.id, ()):
                    if isinstance(value, ast.Tuple | ast.Name | ast.Attribute):
                        yield from self._names(value, follow=False)

    def _keywords(self, call: ast.Call) -> set[str]:
        found = {one.arg for one in call.keywords if one.arg}
        for one in call.keywords:
            if one.arg is None:
                behind = self._assigned.get(one.value.id, []) if isinstance(one.value, ast.Name) else [one.value]
                for value in behind:
                    found |= _keys(value)
        return found


def _keys(value: ast.expr) -> set[str]:
    """The keys of a dictionary that is written out."""
    if isinstance(value, ast.Dict):
        return {key.value for key in value.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "dict":
        return {one.arg for one in value.keywords if one.arg}
    return set()
