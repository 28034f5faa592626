"""Judges attributes and keywords on instances: `df.appendd(…)`, `arr.sum(axes=0)`, `response.jsn()`.

An attribute is only found missing where every class that the value may be of lacks it, and every known class derived
from them. What may have any attribute (`__getattr__`, attributes set from outside) is left alone; where attributes may
be labels, as the columns of a frame, only what can't be one is. Knows nothing about how values were inferred.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from functools import cached_property

from symbols.finding import Finding, nearest, unused
from symbols.infer import Instance, Named, Typist, Value
from symbols.table import ABSTRACT, ANY, BUILTINS, LABELS, SymbolTable

# Labels that libraries make themselves.
_LIBRARY_LABELS = frozenset(
    {
        *("count", "first", "freq", "index", "last", "level", "name", "proportion", "top", "unique"),
        *("value", "variable", "day", "days", "hours", "minutes", "seconds", "week", "year"),
    }
)
_ASKING = frozenset({"hasattr", "getattr", "setattr", "delattr"})


class InstanceJudge:
    """Is shown attributes and calls by `symbols.flow`, and reports those that can't be."""

    def __init__(self, table: SymbolTable, tree: ast.Module, report: Callable[[Finding], object]) -> None:
        """`report` is given each finding."""
        self._table = table
        self._tree = tree
        self._report = report
        self._typist = Typist(table)
        self._called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}

    def attribute(self, node: ast.Attribute, value: Value) -> None:
        """Report an attribute that no class of the value's has."""
        name = node.attr
        value = self._typist.itself(value)
        if value is None or name.startswith("_") or name in self._made:
            return
        if any(self._may_have(one, name, id(node) in self._called) for one in value):
            return
        names = sorted({member for one in value for member in self._names(one)})
        owner = self._spoken(value[0], node.value)
        near = nearest(name, names)
        line = node.end_lineno or node.lineno
        near = f"{owner}.{near}" if near else ""
        self._report(Finding(line, f"{owner}.{name}", "no-such-attribute", near, tuple(names)))

    def call(self, node: ast.Call, function: Value) -> None:
        """Report a keyword that the method doesn't take, nor the method of any class derived from its class."""
        if (
            not isinstance(function, Named)
            or function.receiver is None
            or function.of_class
            or not isinstance(node.func, ast.Attribute)
        ):
            return
        receiver = function.receiver
        lists = [found for one in (function, *function.others) for found in self._taken(one, node.func.attr)]
        if None in lists:
            return
        taken = list(dict.fromkeys(name for one in lists for name in one or ()))
        for keyword in node.keywords:
            if keyword.arg is not None and keyword.arg not in taken:
                method = f"{self._spoken(receiver, node.func.value)}.{node.func.attr}"
                near, others = nearest(keyword.arg, taken), tuple(unused(node, taken))
                self._report(Finding(keyword.lineno, f"{method}({keyword.arg})", "no-such-keyword", near, others))

    def _taken(self, method: Named, name: str) -> list[tuple[str, ...] | None]:
        """The keyword lists of a method, and of those that derived classes have in its place."""
        receiver = method.receiver
        if receiver is None or self._table.openness(receiver.scope) in (ANY, ABSTRACT):
            return [None]
        others = () if receiver.exact else self._table.heirs(receiver.scope).get(name, ())
        return [self._table.call_keywords(one) for one in (method.reference, *others)]

    def _may_have(self, one: Instance, name: str, called: bool) -> bool:
        openness = self._table.openness(one.scope)
        if self._typist.member(one, name)[0] or openness in (ANY, ABSTRACT):
            return True
        if not one.exact and name in self._table.heirs(one.scope):
            return True
        return openness == LABELS and not called and self._may_be_label(one, name)

    def _may_be_label(self, one: Instance, name: str) -> bool:
        """Whether an attribute that isn't called may be a column's name: one seen in the code, or of data unseen."""
        return self._unseen or bool({name, *name.split("_")} & (self._labels | _LIBRARY_LABELS))

    @cached_property
    def _labels(self) -> set[str]:
        found: set[str] = set()
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.update([*node.value, *re.findall(r"\w+", node.value), *re.findall(r"[^\W_]+", node.value)])
            elif isinstance(node, ast.keyword) and node.arg:
                found.add(node.arg)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                found.add(node.target.id)
        return found

    @cached_property
    def _unseen(self) -> bool:
        """Whether data comes from where its labels can't be seen: a file, a database, a function of the code's own."""
        attributes = {node.attr for node in ast.walk(self._tree) if isinstance(node, ast.Attribute)}
        functions = any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in ast.walk(self._tree))
        return functions or any(name.startswith(("read_", "load", "from_", "fetch")) for name in attributes)

    @cached_property
    def _made(self) -> set[str]:
        """Attribute names that the code sets itself, or asks for by their text."""
        found: set[str] = set()
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
                found.add(node.attr)
            elif isinstance(node, ast.Call) and _asks(node.func):
                found.update(
                    one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)
                )
        return found

    def _names(self, one: Instance) -> list[str]:
        lineage = [self._table.scopes[scope] for scope in self._table.lineage(one.scope)]
        return sorted({name for scope in lineage for name in (*scope.members, *scope.attributes)})

    def _spoken(self, one: Instance, node: ast.expr) -> str:
        """The class's name, or the code's own words where the class has none."""
        return self._table.scopes[one.scope].name.removeprefix(f"{BUILTINS}.") or ast.unparse(node)


def _asks(function: ast.expr) -> bool:
    """Whether a function takes attribute names as text: `hasattr` and its kin, and those that register accessors."""
    name = getattr(function, "id", "") or getattr(function, "attr", "")
    return name in _ASKING or name.startswith("register")
