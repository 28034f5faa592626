"""Which keywords a callable takes, also where its signature says `**kwargs`.

Where that is passed on whole to other callables, theirs count; where it is annotated as a typed dictionary, its keys
do. Knows nothing about the symbol table.
"""

from __future__ import annotations

import ast
import inspect
import types
from typing import Any

from .modules import keywords, signature_of, tree_of, written
from .results import Results, home_of
from .stubs import Node, Space, Special, Thing

MAX_DEPTH = 3
_TAKING = frozenset({"pop", "get", "setdefault"})


class Keywords:
    """Finds keywords, and remembers them."""

    def __init__(self, results: Results) -> None:
        self._results = results
        self._found: dict[tuple[int, type | None], list[str] | None] = {}
        self._alive: list[Any] = []

    def of(self, value: Any, cls: type | None = None, depth: int = 0) -> list[str] | None:
        """The keywords of a function, method or class; None where it takes any, or where nothing tells.

        `cls` is the class whose member it is, for what it passes on to `self` and `super()`.
        """
        taken = keywords(value)
        if taken is not None or depth > MAX_DEPTH:
            return taken
        if isinstance(value, type):
            if type(value).__call__ is not type.__call__ or isinstance(
                inspect.getattr_static(value, "__new__", None), staticmethod
            ):
                return None
            cls, value = value, inspect.getattr_static(value, "__init__", None)
        function = written(value)
        if not isinstance(function, types.FunctionType):
            return None
        key = (id(function), cls)
        if key not in self._found:
            self._found[key] = None
            self._alive.append(function)
            self._found[key] = self._of_function(function, cls, depth)
        return self._found[key]

    def _of_function(self, function: types.FunctionType, cls: type | None, depth: int) -> list[str] | None:
        signature = signature_of(function)
        rest = [one for one in signature.parameters.values() if one.kind is one.VAR_KEYWORD] if signature else []
        if signature is None or not rest:
            return None
        kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        own = [one.name for one in signature.parameters.values() if one.kind in kinds]
        declared = self._declared(rest[0].annotation, home_of(function))
        if declared is not None:
            return list(dict.fromkeys([*own, *declared]))
        further = self._passed_on(function, rest[0].name, cls, depth)
        return None if further is None else list(dict.fromkeys([*own, *further]))

    def _declared(self, annotation: Any, module: str) -> list[str] | None:
        """The keys of `Unpack[SomeTypedDict]`."""
        try:
            node = ast.parse(annotation, mode="eval").body if isinstance(annotation, str) else None
        except (SyntaxError, ValueError):
            return None
        if not isinstance(node, ast.Subscript) or not ast.unparse(node.value).endswith("Unpack"):
            return None
        space = self._results.spaces.module(module)
        return self._keys(node.slice, space)

    def _keys(self, node: ast.expr, space: Space) -> list[str] | None:
        meaning = self._results.reader.meaning(node, space)
        if isinstance(meaning, Thing):
            return list(getattr(meaning.value, "__annotations__", ())) or None
        if isinstance(meaning, Special):
            return [] if meaning.name == "TypedDict" else None
        if not isinstance(meaning, Node) or not isinstance(meaning.nodes[-1], ast.ClassDef):
            return None
        found: list[str] = []
        for base in meaning.nodes[-1].bases:
            inherited = self._keys(base, meaning.space)
            if inherited is None:
                return None
            found += inherited
        body = meaning.nodes[-1].body
        return found + [
            one.target.id for one in body if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
        ]

    def _passed_on(self, function: types.FunctionType, name: str, cls: type | None, depth: int) -> list[str] | None:
        """What is done with the rest of the keywords; None where it is more than to pass it on, or to take from it."""
        tree = tree_of(function)
        if tree is None:
            return None
        found: list[str] = []
        understood: set[int] = set()
        passed = False
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            for keyword in node.keywords:
                if keyword.arg is None and _is_name(keyword.value, name):
                    further = self._of_target(node.func, function, cls, depth)
                    if further is None:
                        return None
                    understood.add(id(keyword.value))
                    found += further
                    passed = True
            taken = node.func
            if isinstance(taken, ast.Attribute) and taken.attr in _TAKING and _is_name(taken.value, name) and node.args:
                if not isinstance(node.args[0], ast.Constant):
                    return None
                understood.add(id(taken.value))
                found.append(str(node.args[0].value))
        names = [node for node in ast.walk(tree) if _is_name(node, name)]
        return found if passed and all(id(node) in understood for node in names) else None

    def _of_target(
        self, target: ast.expr, function: types.FunctionType, cls: type | None, depth: int
    ) -> list[str] | None:
        parts: list[str] = []
        while isinstance(target, ast.Attribute):
            parts.append(target.attr)
            target = target.value
        parts.reverse()
        owner: Any = None
        if isinstance(target, ast.Name):
            first = next(iter(function.__code__.co_varnames), "")
            is_method = function.__code__.co_argcount and first in ("self", "cls") and target.id == first
            owner = cls if is_method else function.__globals__.get(target.id)
            parts = parts or (["__call__"] if is_method else [])
        elif isinstance(target, ast.Call) and _is_name(target.func, "super") and cls is not None and parts:
            mro = [base for base in cls.__mro__ if parts[0] in vars(base)]
            home = next(
                (place for place, base in enumerate(mro) if _code(vars(base)[parts[0]]) is function.__code__), -1
            )
            owner = mro[home + 1] if 0 <= home < len(mro) - 1 else None
        for part in parts:
            if owner is None:
                return None
            cls = owner if isinstance(owner, type) else None
            owner = inspect.getattr_static(owner, part, None)
            owner = getattr(owner, "__func__", owner)
        return None if owner is None else self.of(owner, cls, depth + 1)


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _code(value: Any) -> Any:
    return getattr(written(value), "__code__", None)
