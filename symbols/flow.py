"""Follows what names are through a piece of code, statement by statement, and shows each attribute and call to a judge.

Branches are both followed and joined; a name that a loop binds anew is unknown in it; functions are read last, with
unknown parameters (unless a class is their annotation) and those names of the module that stand for one thing only.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from typing import Protocol

from symbols.infer import Instance, Named, Types, Typist, Value, join, merged
from symbols.table import SymbolTable

GUARDS = frozenset({"ImportError", "ModuleNotFoundError", "AttributeError", "Exception", "BaseException"})
"""Exceptions whose handlers expect that names don't exist."""
_EXPECTING = frozenset({"suppress", "raises", "assertRaises", "assertRaisesRegex"})
_NAMED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler, ast.MatchAs, ast.MatchStar)
Names = dict[str, Value]


class Judge(Protocol):
    """Is shown what the code does with values, where the code doesn't expect it to fail."""

    def attribute(self, node: ast.Attribute, value: Value) -> None:
        """`node` reads an attribute of `value`."""

    def call(self, node: ast.Call, function: Value) -> None:
        """`node` calls `function`."""


class Flow:
    """One walk through the code."""

    def __init__(
        self, table: SymbolTable, bound: Mapping[str, str], judge: Judge, told: Mapping[ast.expr, Types] | None = None
    ) -> None:
        """`bound` are the names that stand for one dotted name throughout, such as those of imports.

        `told` says what expressions are that the table alone leaves unknown.
        """
        self._table = table
        self._typist = Typist(table)
        self._bound = bound
        self._judge = judge
        self._told = told or {}
        self._quiet = 0
        self._names: Names = {}
        self._history: Names = {}
        self._inner: Names = {}
        self._shared: set[str] = set()
        self._later: list[tuple[ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, Names]] = []

    def follow(self, tree: ast.Module) -> None:
        """Walk through the whole code."""
        shared = [node.names for node in ast.walk(tree) if isinstance(node, ast.Global | ast.Nonlocal)]
        self._shared = {name for names in shared for name in names}
        self._block(tree.body)
        module = self._history
        while self._later:
            function, enclosing = self._later.pop(0)
            body = [] if isinstance(function, ast.Lambda) else function.body
            parameters = self._parameters(function.args)
            own = dict.fromkeys([*parameters, *names_bound(body)])
            self._inner = {**enclosing, **own}
            self._history = {}
            self._names = {**module, **self._inner, **parameters}
            self._block(body)
            if isinstance(function, ast.Lambda):
                self._value(function.body)

    # Names

    def _bind(self, name: str, value: Value) -> None:
        value = None if name in self._shared else value  # a function may bind it at any time
        self._history[name] = merged(self._history[name], value) if name in self._history else value
        self._names[name] = value

    def _name(self, name: str) -> Value:
        if name in self._names:
            return self._names[name]
        dotted = self._bound.get(name)
        reference = self._table.resolve(dotted) if dotted else None
        return None if reference is None else self._typist.of_reference(reference)

    def _parameters(self, arguments: ast.arguments) -> Names:
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        names: Names = {one.arg: self._annotated(one.annotation) for one in every}
        names.update({one.arg: None for one in (arguments.vararg, arguments.kwarg) if one})
        return names

    def _annotated(self, annotation: ast.expr | None) -> Value:
        """What a parameter is whose annotation is a class."""
        if not isinstance(annotation, ast.Name | ast.Attribute):
            return None
        self._quiet += 1
        found = self._value(annotation)
        self._quiet -= 1
        is_class = isinstance(found, Named) and found.reference >= 0
        return (Instance(found.reference),) if isinstance(found, Named) and is_class else None

    def _assign(self, target: ast.expr, value: Value) -> None:
        if isinstance(target, ast.Name):
            self._bind(target.id, value)
        elif isinstance(target, ast.Tuple | ast.List):
            starred = any(isinstance(one, ast.Starred) for one in target.elts)
            parts = [None] * len(target.elts) if starred else self._typist.unpacked(value, len(target.elts))
            for one, part in zip(target.elts, parts, strict=True):
                self._assign(one, part)
        elif isinstance(target, ast.Starred):
            self._assign(target.value, None)
        else:
            self._value(target)

    # Statements

    def _block(self, body: Iterable[ast.stmt]) -> None:
        for statement in body:
            self._statement(statement)

    def _statement(self, node: ast.stmt) -> None:
        method = getattr(self, f"_do_{type(node).__name__.lower()}", None)
        if method is not None:
            method(node)
            return
        for name in names_bound([node]):  # what isn't followed is unknown from here on
            self._bind(name, None)
        for part in ast.iter_child_nodes(node):
            if isinstance(part, ast.expr):
                self._value(part)

    def _do_assign(self, node: ast.Assign) -> None:
        value = self._value(node.value)
        for target in node.targets:
            self._assign(target, value)

    def _do_annassign(self, node: ast.AnnAssign) -> None:
        value = self._value(node.value) if node.value else self._annotated(node.annotation)
        self._assign(node.target, value)

    def _do_augassign(self, node: ast.AugAssign) -> None:
        right = self._value(node.value)
        if isinstance(node.target, ast.Name):
            self._bind(node.target.id, self._typist.operation(self._name(node.target.id), type(node.op), right))
        else:
            self._value(node.target)

    def _do_if(self, node: ast.If | ast.While) -> None:
        self._value(node.test)
        before = dict(self._names)
        self._block(node.body)
        after = self._names
        self._names = before
        self._block(node.orelse)
        self._names = _joined(after, self._names)

    def _do_while(self, node: ast.While) -> None:
        self._forget(names_bound(node.body))
        self._do_if(node)

    def _do_for(self, node: ast.For | ast.AsyncFor) -> None:
        value = self._value(node.iter)
        before = dict(self._names)
        self._forget(names_bound(node.body))
        self._assign(node.target, self._typist.elements(value) if isinstance(node, ast.For) else None)
        self._block(node.body)
        self._names = _joined(before, self._names)
        self._block(node.orelse)

    _do_asyncfor = _do_for

    def _do_try(self, node: ast.Try) -> None:
        guarded = guards(node)
        midway = {**self._names, **dict.fromkeys(names_bound(node.body))}
        self._quiet += guarded
        self._block(node.body)
        self._quiet -= guarded
        self._block(node.orelse)
        ends = [self._names]
        for handler in node.handlers:
            self._names = dict(midway)
            kind = self._value(handler.type) if handler.type else None
            if handler.name:
                caught = isinstance(kind, Named) and kind.reference >= 0
                self._bind(handler.name, (Instance(kind.reference),) if isinstance(kind, Named) and caught else None)
            self._block(handler.body)
            ends.append(self._names)
        self._names = ends[0]
        for other in ends[1:]:
            self._names = _joined(self._names, other)
        self._block(node.finalbody)

    _do_trystar = _do_try

    def _do_with(self, node: ast.With | ast.AsyncWith) -> None:
        expecting = False
        for item in node.items:
            value = self._value(item.context_expr)
            called = item.context_expr.func if isinstance(item.context_expr, ast.Call) else None
            expecting |= (getattr(called, "attr", "") or getattr(called, "id", "")) in _EXPECTING
            if item.optional_vars is not None:
                entered = self._typist.special(value, "with") if isinstance(node, ast.With) else None
                self._assign(item.optional_vars, entered)
        self._quiet += expecting
        self._block(node.body)
        self._quiet -= expecting

    _do_asyncwith = _do_with

    def _do_functiondef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for part in (*node.decorator_list, *node.args.defaults, *(one for one in node.args.kw_defaults if one)):
            self._value(part)
        self._bind(node.name, None)
        if not self._quiet:
            self._later.append((node, self._inner))

    _do_asyncfunctiondef = _do_functiondef

    def _do_classdef(self, node: ast.ClassDef) -> None:
        for part in (*node.decorator_list, *node.bases, *(one.value for one in node.keywords)):
            self._value(part)
        outside, history = dict(self._names), dict(self._history)
        self._block(node.body)
        self._names, self._history = outside, history
        self._bind(node.name, None)

    def _do_match(self, node: ast.Match) -> None:
        self._value(node.subject)
        self._forget(names_bound([node]))
        before = dict(self._names)
        for case in node.cases:
            self._names = dict(before)
            for name in names_bound([node]):
                self._names[name] = None
            if case.guard:
                self._value(case.guard)
            self._block(case.body)
        self._names = before

    def _do_import(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            if name not in self._bound:
                self._bind(name, None)

    _do_importfrom = _do_import

    def _forget(self, names: Iterable[str]) -> None:
        for name in names:
            self._bind(name, None)

    # Expressions

    def _value(self, node: ast.expr) -> Value:
        method = getattr(self, f"_of_{type(node).__name__.lower()}", None)
        if method is not None:
            found: Value = method(node)
            return self._told.get(node) if found is None else found
        for part in ast.iter_child_nodes(node):
            if isinstance(part, ast.expr):
                self._value(part)
        return None

    def _of_name(self, node: ast.Name) -> Value:
        return self._name(node.id)

    def _of_constant(self, node: ast.Constant) -> Value:
        return self._typist.literal(node)

    def _of_joinedstr(self, node: ast.JoinedStr) -> Value:
        for part in ast.walk(node):
            if isinstance(part, ast.FormattedValue):
                self._value(part.value)
        return self._typist.builtin("str")

    def _of_attribute(self, node: ast.Attribute) -> Value:
        value = self._value(node.value)
        if not self._quiet and isinstance(node.ctx, ast.Load):
            self._judge.attribute(node, value)
        return self._typist.attribute(value, node.attr)

    def _of_call(self, node: ast.Call) -> Value:
        function = self._value(node.func)
        arguments = [self._value(one) for one in node.args]
        for keyword in node.keywords:
            self._value(keyword.value)
        if not self._quiet:
            self._judge.call(node, function)
        return self._typist.called(function, node, arguments)

    def _of_subscript(self, node: ast.Subscript) -> Value:
        value, key = self._value(node.value), self._value(node.slice)
        return self._typist.subscript(value, node.slice, key)

    def _of_binop(self, node: ast.BinOp) -> Value:
        return self._typist.operation(self._value(node.left), type(node.op), self._value(node.right))

    def _of_unaryop(self, node: ast.UnaryOp) -> Value:
        value = self._value(node.operand)
        return self._typist.builtin("bool") if isinstance(node.op, ast.Not) else value

    def _of_boolop(self, node: ast.BoolOp) -> Value:
        values = [self._value(one) for one in node.values]
        return join([None if isinstance(one, Named) else one for one in values])

    def _of_compare(self, node: ast.Compare) -> Value:
        values = [self._value(one) for one in (node.left, *node.comparators)]
        inside = any(isinstance(one, ast.In | ast.NotIn | ast.Is | ast.IsNot) for one in node.ops)
        return self._typist.builtin("bool") if inside else self._typist.comparison(values)

    def _of_ifexp(self, node: ast.IfExp) -> Value:
        self._value(node.test)
        return merged(self._value(node.body), self._value(node.orelse))

    def _of_namedexpr(self, node: ast.NamedExpr) -> Value:
        value = self._value(node.value)
        self._assign(node.target, value)
        return value

    def _of_tuple(self, node: ast.Tuple) -> Value:
        parts = [self._value(one) for one in node.elts]
        if len(parts) > 8 or any(isinstance(one, ast.Starred) for one in node.elts):
            return self._typist.builtin("tuple")
        return self._typist.builtin("tuple", *(None if isinstance(one, Named) else one for one in parts))

    def _of_list(self, node: ast.List | ast.Set) -> Value:
        name = "list" if isinstance(node, ast.List) else "set"
        return self._typist.display(name, [self._value(one) for one in node.elts])

    _of_set = _of_list

    def _of_dict(self, node: ast.Dict) -> Value:
        keys = [self._value(one) if one else None for one in node.keys]
        return self._typist.display("dict", keys, [self._value(one) for one in node.values])

    def _of_listcomp(self, node: ast.ListComp | ast.SetComp) -> Value:
        element = self._comprehended(node.generators, [node.elt])
        return self._typist.display("list" if isinstance(node, ast.ListComp) else "set", element)

    _of_setcomp = _of_listcomp

    def _of_dictcomp(self, node: ast.DictComp) -> Value:
        key, value = self._comprehended(node.generators, [node.key, node.value])
        return self._typist.display("dict", [key], [value])

    def _of_generatorexp(self, node: ast.GeneratorExp) -> Value:
        self._comprehended(node.generators, [node.elt])
        return None

    def _comprehended(self, generators: list[ast.comprehension], parts: list[ast.expr]) -> list[Value]:
        outside, history, inner = dict(self._names), dict(self._history), self._inner
        self._inner = {**inner, **dict.fromkeys(names_bound(one.target for one in generators))}
        for one in generators:
            value = self._value(one.iter)
            self._assign(one.target, None if one.is_async else self._typist.elements(value))
            for condition in one.ifs:
                self._value(condition)
        found = [self._value(part) for part in parts]
        self._names, self._history, self._inner = outside, history, inner
        return found

    def _of_lambda(self, node: ast.Lambda) -> Value:
        if not self._quiet:
            self._later.append((node, self._inner))
        return None


def guards(node: ast.Try, expected: frozenset[str] = GUARDS) -> bool:
    """Whether a `try` expects that names in its body don't exist: it catches what is `expected` then."""
    handlers = [handler.type for handler in node.handlers]
    caught = {name.id for one in handlers if one for name in ast.walk(one) if isinstance(name, ast.Name)}
    return None in handlers or bool(caught & expected)


def names_bound(body: Iterable[ast.AST]) -> set[str]:
    """All names that statements bind, inner statements included."""
    found: set[str] = set()
    for statement in body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                found.add(node.id)
            elif isinstance(node, _NAMED):
                found.add(node.name or "")
            elif isinstance(node, ast.MatchMapping):
                found.add(node.rest or "")
    return found


def _joined(one: Names, other: Names) -> Names:
    """What names are after one way or the other; a name that only one way binds is what that way binds."""
    return {name: merged(one.get(name, other.get(name)), other.get(name, one.get(name))) for name in one | other}
