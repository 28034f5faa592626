"""Reads annotations as types: from the syntax tree of a stub, from text, or as objects.

Knows nothing about what is annotated.
"""

from __future__ import annotations

import ast
import collections.abc
import functools
import inspect
import sys
import types
import typing
from collections.abc import Sequence
from typing import Any

from .known import PLAIN_ROOTS
from .stubs import Meaning, Space, Spaces, Special, StubSpace, Thing
from .unions import NONE, SELF, Type, of_class, union

MAX_DEPTH = 12

_UNTOLD = frozenset(
    {"Any", "Callable", "Type", "ParamSpec", "Concatenate", "Unpack", "TypeVarTuple", "Protocol", "Generic"}
)
_WRAPPERS = frozenset({"Final", "ClassVar", "Required", "NotRequired", "ReadOnly", "Annotated"})
_ALIASES: dict[str, type] = {
    "List": list,
    "Dict": dict,
    "Set": set,
    "FrozenSet": frozenset,
    "Tuple": tuple,
    "Text": str,
    "LiteralString": str,
    "TypeGuard": bool,
    "TypeIs": bool,
    "AbstractSet": collections.abc.Set,
}
_FILES = frozenset({"IO", "TextIO", "BinaryIO"})


class Reader:
    """Reads annotations in the namespaces that they are written in."""

    def __init__(self, spaces: Spaces) -> None:
        self.spaces = spaces

    def annotation(self, node: ast.expr | None, space: Space, parameters: tuple[str, ...] = (), depth: int = 0) -> Type:
        """The type that an annotation names; `parameters` are the type variables of the class around it."""
        if node is None or depth > MAX_DEPTH:
            return None
        depth += 1
        if isinstance(node, ast.Constant):
            return self._constant(node.value, space, parameters, depth)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            return union(self.annotation(one, space, parameters, depth) for one in (node.left, node.right))
        if isinstance(node, ast.Subscript):
            return self._subscript(node, space, parameters, depth)
        name = node.id if isinstance(node, ast.Name) else ""
        if name in parameters:
            return ((parameters.index(name), ()),)
        return ((SELF, ()),) if name == "Self" else self._of_meaning(self.meaning(node, space), depth)

    def text(self, text: str, space: Space, parameters: tuple[str, ...] = (), depth: int = 0) -> Type:
        """The type that an annotation's text names."""
        return self.annotation(_parsed(text), space, parameters, depth + 1)

    def value(self, value: Any, space: Space, depth: int = 0) -> Type:
        """The type that an annotation means which is there as an object."""
        if depth > MAX_DEPTH:
            return None
        if value is None or isinstance(value, str):
            return self._constant(value, space, (), depth + 1)
        if isinstance(value, typing.TypeVar):
            return self._chosen([self.value(one, space, depth + 1) for one in value.__constraints__])
        if typing.get_origin(value) is not None:
            return self._generic(value, space, depth + 1)
        if isinstance(value, typing.ForwardRef):
            return self.text(value.__forward_arg__, space, (), depth + 1)
        return of_class(value) if isinstance(value, type) else self._of_special(_name_of(value))

    def meaning(self, node: ast.expr, space: Space) -> Meaning:
        """What a name or a dotted name in an annotation stands for."""
        if isinstance(node, ast.Name):
            return space.name(node.id)
        owner = self.meaning(node.value, space) if isinstance(node, ast.Attribute) else None
        if not isinstance(owner, Thing) or not isinstance(node, ast.Attribute):
            return None
        if isinstance(owner.value, types.ModuleType):
            return self.spaces.in_module(owner.value.__name__, node.attr)
        if isinstance(owner.value, StubSpace):
            return owner.value.lookup(node.attr)
        inner = inspect.getattr_static(owner.value, node.attr, None)
        return Thing(inner) if isinstance(inner, type) else None

    def _constant(self, value: Any, space: Space, parameters: tuple[str, ...], depth: int) -> Type:
        if value is None:
            return NONE
        return self.text(value, space, parameters, depth) if isinstance(value, str) else None

    def _generic(self, value: Any, space: Space, depth: int) -> Type:
        """The type that an object such as `list[int]` or `int | None` means."""
        origin, arguments = typing.get_origin(value), typing.get_args(value)
        if origin in (typing.Union, getattr(types, "UnionType", typing.Union)):
            return union(self.value(one, space, depth) for one in arguments)
        if origin is typing.Literal:
            return union(of_class(type(one)) for one in arguments)
        if origin is typing.Annotated:
            return self.value(arguments[0], space, depth)
        if not isinstance(origin, type) or origin is type:
            return None
        inner = [one for one in arguments if one is not Ellipsis]
        return _with_arguments(of_class(origin), [self.value(one, space, depth) for one in inner])

    def _of_meaning(self, meaning: Meaning, depth: int) -> Type:
        if depth > MAX_DEPTH or meaning is None:
            return None
        if isinstance(meaning, Special):
            return self._of_special(meaning.name)
        if isinstance(meaning, Thing):
            return self.value(meaning.value, self.spaces.module("builtins"), depth + 1)
        node = meaning.nodes[-1]
        if isinstance(node, ast.ClassDef):
            cls = vars(sys.modules.get(meaning.space.module, types.ModuleType("none"))).get(node.name)
            in_typing = meaning.space.module == "typing"
            return self._of_special(node.name) if in_typing else of_class(cls) if isinstance(cls, type) else None
        alias = getattr(node, "value", None)
        if isinstance(alias, ast.Call):
            return self._of_variable(alias, meaning.space, depth + 1)
        return self.annotation(alias, meaning.space, (), depth + 1) if isinstance(alias, ast.expr) else None

    def _of_special(self, name: str) -> Type:
        if name == "Self":
            return ((SELF, ()),)
        if name in ("Never", "NoReturn"):
            return ()
        cls = _ALIASES.get(name) or getattr(collections.abc, name, None) or getattr(collections, name, None)
        cls = getattr(typing, name) if name in _FILES else cls
        return of_class(cls) if isinstance(cls, type) and name not in _UNTOLD else None

    def _of_variable(self, call: ast.Call, space: Space, depth: int) -> Type:
        """`TypeVar("T", A, B)` in a stub. Of one with a bound, what comes may be derived from that, and isn't told."""
        if not isinstance(call.func, ast.Name) or call.func.id != "TypeVar":
            return None
        return self._chosen([self.annotation(one, space, (), depth) for one in call.args[1:]])

    @staticmethod
    def _chosen(choices: list[Type]) -> Type:
        return union(choices) if choices else None

    def _subscript(self, node: ast.Subscript, space: Space, parameters: tuple[str, ...], depth: int) -> Type:
        base = self.meaning(node.value, space)
        parts = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
        if isinstance(base, Special) and base.name == "Literal":
            constants = [one.value for one in parts if isinstance(one, ast.Constant)]
            return union(of_class(type(one)) for one in constants) if len(constants) == len(parts) else None
        several = [one for one in parts if not (isinstance(one, ast.Constant) and one.value is Ellipsis)]
        read = [self.annotation(one, space, parameters, depth) for one in several]
        if isinstance(base, Special) and base.name in ("Union", "Optional"):
            return union([*read, *([NONE] if base.name == "Optional" else [])])
        if isinstance(base, Special) and base.name in _WRAPPERS:
            return read[0] if read else None
        return _with_arguments(self._of_meaning(base, depth), read)


@functools.cache
def _parsed(text: str) -> ast.expr | None:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _name_of(value: Any) -> str:
    """The name of an object of the typing module; empty for any other object."""
    found = getattr(value, "_name", None) or getattr(value, "__name__", "")
    return str(found) if type(value).__module__ == "typing" else ""


def root_of(cls: object) -> str:
    """The top-level module of a class."""
    return str(getattr(cls, "__module__", "")).partition(".")[0]


def _with_arguments(found: Type, arguments: Sequence[Type]) -> Type:
    """A generic class with its arguments; an alias keeps its own, and some libraries' say nothing."""
    if found is None or len(found) != 1 or found[0][1] or found[0][0] is bool or root_of(found[0][0]) in PLAIN_ROOTS:
        return found
    return ((found[0][0], tuple(arguments)),)
