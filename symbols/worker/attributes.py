"""What instances of a class have that the class hasn't: attributes that methods set, and whether there may be any.

Read from the methods' compiled code, and from their source where attributes are set by computed names.
"""

from __future__ import annotations

import ast
import dis
import inspect
import types
from collections.abc import Iterator
from typing import Any

from .known import CLOSED, LABELLED, OPEN
from .modules import tree_of

LABELS, ANY, ABSTRACT = 1, 2, 3
DERIVED, EXACT = 1, 2
# Methods that set attributes by computed names only to bring back what was there.
_RESTORING = frozenset(
    {"__setstate__", "__getstate__", "__reduce__", "__copy__", "__deepcopy__", "__replace__", "copy"}
)
_SETTING = frozenset({"setattr", "__dict__", "vars"})
# Class by id, as a metaclass may forbid hashing: the class, kept alive, and the names.
_STORED: dict[int, tuple[type, frozenset[str]]] = {}
_STORE, _EXTENDED = dis.opmap["STORE_ATTR"], dis.opmap["EXTENDED_ARG"]


def openness(cls: type) -> int:
    """0 where instances have no further attributes; LABELS where they have labels as attributes.

    ANY where they and those of derived classes may have any attribute, ABSTRACT where nothing is an instance of this
    very class.
    """
    name = f"{cls.__module__}.{cls.__qualname__}"
    if name in CLOSED:
        return 0
    finder = inspect.getattr_static(cls, "__getattribute__", None)
    if inspect.getattr_static(cls, "__getattr__", None) is not None or isinstance(finder, types.FunctionType):
        return LABELS if any(f"{one.__module__}.{one.__qualname__}" in LABELLED for one in cls.__mro__) else ANY
    if name in OPEN or issubclass(cls, (type, types.ModuleType)) or cls is types.FunctionType or _sets_any(cls):
        return ANY
    if getattr(cls, "_is_protocol", False) or inspect.isabstract(cls):
        return ABSTRACT
    return ABSTRACT if cls.__module__ in ("typing", "collections.abc", "numbers") else 0


def makes(cls: type, told: bool) -> int:
    """What calling the class gives: EXACT, DERIVED where it may be of a derived class, else 0.

    `told` says whether an annotation promises that `__new__` gives an instance of the class.
    """
    if type(cls).__call__ is not type.__call__:
        return 0
    maker = inspect.getattr_static(cls, "__new__", None)
    if not isinstance(maker, (staticmethod, types.FunctionType)):
        return EXACT
    return DERIVED if told or (issubclass(cls, tuple) and hasattr(cls, "_fields")) else 0


def names_stored(cls: type) -> set[str]:
    """The public attribute names that the methods of a class and its bases set, on whatever object."""
    return set().union(*(_own_names_stored(base) for base in cls.__mro__))


def _own_names_stored(cls: type) -> frozenset[str]:
    if id(cls) not in _STORED:
        found: set[str] = set()
        for code in _codes(cls):
            text, extended = code.co_code, 0
            for place in range(0, len(text), 2):
                argument = text[place + 1] | extended
                extended = argument << 8 if text[place] == _EXTENDED else 0
                if text[place] == _STORE and argument < len(code.co_names):
                    found.add(code.co_names[argument])
        _STORED[id(cls)] = cls, frozenset(name for name in found if not name.startswith("_"))
    return _STORED[id(cls)][1]


def _codes(cls: type) -> Iterator[types.CodeType]:
    """The code of all functions that a class defines, inner ones included."""
    for value in vars(cls).values():
        for one in (
            value,
            *(getattr(value, name, None) for name in ("__func__", "fget", "fset", "func", "__wrapped__")),
        ):
            code = getattr(one, "__code__", None)
            if isinstance(code, types.CodeType):
                yield from _with_inner(code)


def _with_inner(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for one in code.co_consts:
        if isinstance(one, types.CodeType):
            yield from _with_inner(one)


def _sets_any(cls: type) -> bool:
    """Whether a class's methods set attributes by computed names."""
    for code in _codes(cls):
        if code.co_name in _RESTORING or not _SETTING.intersection(code.co_names):
            continue
        tree = tree_of(code)
        if tree is None and ("setattr" in code.co_names or {"__dict__", "update"} <= set(code.co_names)):
            return True
        if tree is not None and any(_is_setting(node) for node in ast.walk(tree)):
            return True
    return False


def _is_setting(node: Any) -> bool:
    """Whether a piece of code sets attributes by computed names on something other than a class."""
    if isinstance(node, ast.Call):
        name = getattr(node.func, "id", "")
        if name == "setattr" and len(node.args) == 3:
            computed = not isinstance(node.args[1], ast.Constant)
            return computed and isinstance(node.args[0], ast.Name) and node.args[0].id not in ("cls", "klass")
        copied = len(node.args) == 1 and _is_dict(node.args[0])
        return getattr(node.func, "attr", "") == "update" and _is_dict(getattr(node.func, "value", None)) and not copied
    if isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store):
        return _is_dict(node.value if isinstance(node, ast.Subscript) else node)
    return False


def _is_dict(node: Any) -> bool:
    if isinstance(node, ast.Call):
        return getattr(node.func, "id", "") == "vars"
    return isinstance(node, ast.Attribute) and node.attr == "__dict__"
