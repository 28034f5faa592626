"""What calls and attributes give, from stubs, annotations, docstrings, and a few known facts, in this order.

Knows nothing about numbers of scopes and types, which are the graph's.
"""

from __future__ import annotations

import ast
import inspect
import sys
import types
from collections.abc import Iterator
from typing import Any

from .attributes import names_stored
from .described import Described, Descriptions
from .known import KNOWN
from .modules import OPAQUE, text_of, written
from .reader import Reader
from .stubs import Node, Spaces, StubSpace
from .unions import SELF, SHAPELESS, Type, of_class, substitute, union, without_none
from .wording import Wording


class Facts:
    """What is known of one member: the keywords that its call takes, and what a call, or it itself, gives."""

    def __init__(self, keywords: list[str] | None = None, result: Type = None, value: Type = None) -> None:
        self.keywords = keywords
        self.result = result
        self.value = value


class Results:
    """Finds out what the members of modules and classes give."""

    def __init__(self, folder: str) -> None:
        """`folder` has the standard library's stubs; empty for none."""
        self.spaces = Spaces(folder)
        self.reader = Reader(self.spaces)
        self._wording = Wording(self.reader)
        self._descriptions = Descriptions(self.reader)
        self._described: dict[type, Described | None] = {}
        self._stubbed: dict[str, list[str]] = {}

    def of_function(self, module: str, name: str, value: Any) -> Facts:
        """A function of a module."""
        known = self._known(type(value), "__call__")
        if known is not None:
            return Facts(None, known)
        own_module, own_name = text_of(value, "__module__"), text_of(value, "__name__")
        owner = getattr(value, "__self__", None)
        if owner is not None and not isinstance(owner, (types.ModuleType, type)):
            return self.of_member(type(owner), name, getattr(type(owner), name, value))
        told = Facts()
        for home, called in dict.fromkeys([(module, name), (own_module, own_name)]):
            stub = self.spaces.stub(home) if home else None
            found = stub.lookup(called) if stub else None
            if isinstance(found, Node):
                told = self._of_nodes(found.nodes, found.space, (), None)
                break
        fact = KNOWN.get(own_module.lstrip("_"), {}).get(own_name)
        if fact is not None:
            return Facts(told.keywords, self.reader.text(fact, self.spaces.module(own_module.lstrip("_"))))
        return self._completed(told, value, own_module or module)

    def of_constant(self, value: Any) -> Type:
        """The type of a module's or a class's constant; unknown where it was given attributes of its own."""
        if value is OPAQUE or value is None or callable(value) or type(value) in SHAPELESS:
            return None
        described = self.described(type(value))
        ordinary = {*dir(type(value)), *names_stored(type(value)), *(described.names if described else ())}
        own = {name for name in getattr(value, "__dict__", ()) if isinstance(name, str) and not name.startswith("_")}
        return of_class(type(value)) if own <= ordinary else None

    def of_member(self, cls: type, name: str, value: Any) -> Facts:
        """A method, a property or an annotated attribute; `value` is what reading it from the class gives."""
        told = self._told(cls, name, value)
        known = self._known(cls, name)
        return told if known is None else Facts(told.keywords, known, known)

    def described(self, cls: type) -> Described | None:
        """The class's stub; None where there is none."""
        if cls not in self._described:
            stubs = [stub for home in self._homes(cls) if (stub := self.spaces.stub(home))]
            found = (self._descriptions.of(stub.lookup(cls.__name__)) for stub in stubs)
            self._described[cls] = next((one for one in found if one), None)
        return self._described[cls]

    def _homes(self, cls: type) -> Iterator[str]:
        """The modules whose stubs may describe a class: its own, then those of its library that have it."""
        module = str(cls.__module__)
        yield module
        root = module.partition(".")[0]
        if root not in self._stubbed:
            own = [name for name in list(sys.modules) if name.partition(".")[0] == root]
            self._stubbed[root] = [name for name in own if self.spaces.has_stub(name)]
        for name in self._stubbed[root]:
            if vars(sys.modules[name]).get(cls.__name__) is cls:
                yield name

    def _known(self, cls: type, name: str) -> Type:
        for base in cls.__mro__:
            text = KNOWN.get(f"{base.__module__}.{base.__qualname__}", {}).get(name)
            if text is not None:
                return self.reader.text(text, self.spaces.module(base.__module__.partition(".")[0]))
        return None

    def _told(self, cls: type, name: str, value: Any) -> Facts:
        """What stub, annotation and docstring tell of a member."""
        raw = inspect.getattr_static(cls, name, None)
        described = self.described(cls)
        member = described.member(name) if described else None
        told = Facts()
        if member is not None:
            told = self._of_nodes(member.nodes, member.owner.space, member.owner.parameters, member.arguments)
        if inspect.isroutine(raw) or isinstance(raw, (classmethod, staticmethod)):
            return self._completed(told, value, cls.__module__, cls)
        if told.value is not None:
            return told
        getter = getattr(raw, "fget", None) or getattr(raw, "func", None)
        if isinstance(getter, types.FunctionType):
            return Facts(value=self._completed(Facts(), getter, cls.__module__, cls).result)
        annotation = _annotation(cls, name)
        home = self.spaces.module(home_of(cls))
        return told if annotation is None else Facts(value=without_none(self.reader.value(annotation, home)))

    def _of_nodes(
        self, nodes: list[ast.stmt], space: StubSpace, parameters: tuple[str, ...], arguments: tuple[Type, ...] | None
    ) -> Facts:
        """What a stub's definitions of one name tell; overloads are a union."""

        def seen(found: Type) -> Type:
            found = without_none(found)
            return found if arguments is None else substitute(found, arguments)

        last = nodes[-1]
        if isinstance(last, ast.AnnAssign):
            return Facts(value=seen(self.reader.annotation(last.annotation, space, parameters)))
        if isinstance(last, ast.Assign):  # another name of a function
            found = space.lookup(last.value.id) if isinstance(last.value, ast.Name) else None
            again = isinstance(found, Node) and found.nodes is not nodes
            return self._of_nodes(found.nodes, found.space, (), None) if isinstance(found, Node) and again else Facts()
        functions = [one for one in nodes if isinstance(one, ast.FunctionDef)]
        decorators = {ast.unparse(one).rpartition(".")[2] for node in functions for one in node.decorator_list}
        if len(functions) != len(nodes) or decorators & {"contextmanager", "asynccontextmanager"}:
            return Facts()
        results = [self._returned(node, space, parameters) for node in functions]
        result = seen(union(one for one in results if one != ()))
        if any(one.endswith("property") for one in decorators):
            return Facts(value=result)
        names = [one.arg for node in functions for one in (*node.args.args, *node.args.kwonlyargs)]
        taken = list(dict.fromkeys(name for name in names if not name.startswith("__")))
        return Facts(None if any(node.args.kwarg for node in functions) else taken, result)

    def _returned(self, node: ast.FunctionDef, space: StubSpace, parameters: tuple[str, ...]) -> Type:
        """The return annotation's type; a type variable that is the receiver's stands for its class."""
        first = next(iter((*node.args.posonlyargs, *node.args.args)), None)
        if first is not None and first.arg == "self" and first.annotation is not None and node.returns is not None:
            name = ast.unparse(node.returns)
            if name.isidentifier() and name not in parameters and ast.unparse(first.annotation) == name:
                return ((SELF, ()),)
        return self.reader.annotation(node.returns, space, parameters)

    def _completed(self, told: Facts, value: Any, module: str, cls: type | None = None) -> Facts:
        """Facts with what the function itself tells, where the stub is silent: its annotation, then its docstring."""
        function = written(value)
        wrapped = function is not value and not inspect.ismethod(value)
        generator = inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function)
        if told.result is not None or (generator and wrapped):
            return told
        if cls is not None and not _is_of(function, cls):  # handed on from another class, whose results differ
            return Facts(told.keywords)
        annotation = getattr(function, "__annotations__", {}).get("return")
        home = self.spaces.module(home_of(function) or module)
        result = without_none(self.reader.value(annotation, home)) if annotation is not None else None
        result = result or self._wording.returned(text_of(value, "__doc__"), module, cls is not None)
        return Facts(told.keywords, result, told.value)


def home_of(value: Any) -> str:
    """The module that a function, or a class with functions, was written in, whatever it says of itself."""
    functions = vars(value).values() if isinstance(value, type) else [value]
    written_here = [one for one in functions if isinstance(one, types.FunctionType)]
    return str(written_here[0].__globals__.get("__name__", "")) if written_here else text_of(value, "__module__")


def _is_of(function: Any, cls: type) -> bool:
    """Whether a function was written as a member of a class, or of one that it derives from."""
    owner = text_of(function, "__qualname__").split(".")[-2:-1]
    return not owner or owner[0] in {base.__name__ for base in cls.__mro__}


def _annotation(cls: type, name: str) -> Any:
    for base in cls.__mro__:
        own = vars(base).get("__annotations__")
        if isinstance(own, dict) and name in own:
            return own[name]
    return None
