"""Namespaces that annotations are read in: a module's stub file, or what a module has at run time.

Stubs lie beside a module (`module.pyi`) or, for the standard library, in a folder as typeshed has it. They are parsed,
never run, and nothing is imported for them. Knows nothing about what the annotations mean.
"""

from __future__ import annotations

import ast
import operator
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MAX_STUB = 4_000_000
"""Longest stub that is read, in bytes."""
_TYPING = frozenset({"typing", "typing_extensions"})
_COMPARISONS = {ast.GtE: operator.ge, ast.Lt: operator.lt, ast.Eq: operator.eq, ast.NotEq: operator.ne}
_CHECKING = re.compile(r"^if (?:typing\.|t\.)?TYPE_CHECKING:\n((?:[ \t]+.*\n|[ \t]*\n)+)", re.MULTILINE)


class Special:
    """A name of the typing module, which stands for no class of its own."""

    def __init__(self, name: str) -> None:
        self.name = name


class Thing:
    """An object that exists at run time."""

    def __init__(self, value: Any) -> None:
        self.value = value


class Node:
    """What a stub says of a name: its definitions (several for overloads), and the namespace to read them in."""

    def __init__(self, nodes: list[ast.stmt], space: StubSpace) -> None:
        self.nodes = nodes
        self.space = space


Meaning = Special | Node | Thing | None


class Spaces:
    """All namespaces, each read once."""

    def __init__(self, folder: str) -> None:
        """`folder` holds stubs of the standard library; empty for none."""
        self._folder = Path(folder) if folder else None
        self._stubs: dict[str, StubSpace | None] = {}
        self._modules: dict[str, ModuleSpace] = {}

    def stub(self, module: str) -> StubSpace | None:
        """The stub of a module, or None where it has none."""
        if module not in self._stubs:
            path = self._find(module)
            self._stubs[module] = None
            if path is not None and path.stat().st_size <= MAX_STUB:
                try:
                    tree = ast.parse(path.read_text(encoding="utf-8"))
                except (OSError, ValueError, SyntaxError):
                    return None
                self._stubs[module] = StubSpace(module, path.stem == "__init__", tree, self)
        return self._stubs[module]

    def has_stub(self, module: str) -> bool:
        """Whether a module has a stub."""
        return self._find(module) is not None

    def _find(self, module: str) -> Path | None:
        endings = [".pyi"] if module in sys.modules else [".pyi", ".py"]  # a module for type checkers alone
        for folder in self._folders(module):
            for path in (
                place for end in endings for place in (folder / f"__init__{end}", folder.with_name(folder.name + end))
            ):
                if path.is_file():
                    return path
        return None

    def _folders(self, module: str) -> Iterator[Path]:
        parent, _, last = module.rpartition(".")
        if self._folder is not None and (module.partition(".")[0] in sys.stdlib_module_names or "_typeshed" in module):
            yield self._folder.joinpath(*module.split("."))
            return
        home = getattr(sys.modules.get(module), "__path__", ())
        yield from (Path(one) for one in list(home)[:1])
        yield from (Path(one) / last for one in list(getattr(sys.modules.get(parent), "__path__", ()))[:1])

    def module(self, name: str) -> ModuleSpace:
        """What a module has at run time; nothing where it isn't loaded."""
        if name not in self._modules:
            self._modules[name] = ModuleSpace(name, self)
        return self._modules[name]

    def in_module(self, module: str, name: str, depth: int = 0) -> Meaning:
        """What `from module import name` would give, in stubs first, then at run time."""
        if module in _TYPING:
            return Special(name)
        stub = self.stub(module)
        if stub is not None and (found := stub.lookup(name, depth + 1)) is not None:
            return found
        loaded = sys.modules.get(module)
        if loaded is not None and name in vars(loaded):
            return Thing(vars(loaded)[name])
        if f"{module}.{name}" in sys.modules:
            return Thing(sys.modules[f"{module}.{name}"])
        if loaded is not None:
            return self.module(module).checking(name, depth + 1)
        inner = self.stub(f"{module}.{name}")
        return None if inner is None else Thing(inner)


class StubSpace:
    """The names of one stub."""

    def __init__(self, module: str, is_package: bool, tree: ast.Module, spaces: Spaces) -> None:
        self.module = module
        self.spaces = spaces
        self._package = module if is_package else module.rpartition(".")[0]
        self._defined: dict[str, list[ast.stmt]] = {}
        self._imported: dict[str, tuple[str, str]] = {}
        self._stars: list[str] = []
        for statement in flat(tree.body):
            if isinstance(statement, ast.Import | ast.ImportFrom):
                self._note_import(statement)
            else:
                for name in names_defined(statement):
                    self._defined.setdefault(name, []).append(statement)

    def _note_import(self, node: ast.Import | ast.ImportFrom) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                whole = alias.name if alias.asname else alias.name.partition(".")[0]
                self._imported[alias.asname or whole] = (whole, "")
            return
        module = absolute(node, self._package)
        for alias in node.names:
            if alias.name == "*":
                self._stars.append(module)
            else:
                self._imported[alias.asname or alias.name] = (module, alias.name)

    def lookup(self, name: str, depth: int = 0) -> Meaning:
        """What a name of the stub stands for; None where it has none, or where imports go round in circles."""
        if depth > 12:
            return None
        if name in self._defined:
            return Node(self._defined[name], self)
        if name in self._imported:
            module, inner = self._imported[name]
            if not inner:
                return Thing(sys.modules[module]) if module in sys.modules else None
            return self.spaces.in_module(module, inner, depth)
        for module in self._stars:
            if (found := self.spaces.in_module(module, name, depth)) is not None:
                return found
        return None

    def name(self, name: str) -> Meaning:
        """What a name in an annotation stands for, built-in names included."""
        found = self.lookup(name)
        return self.spaces.in_module("builtins", name) if found is None and self.module != "builtins" else found


class ModuleSpace:
    """A module as it is at run time, with what it imports and defines for type checkers alone."""

    def __init__(self, module: str, spaces: Spaces) -> None:
        self.module = module
        self.spaces = spaces
        self._checking: StubSpace | None = None

    def name(self, name: str) -> Meaning:
        """What a name in an annotation stands for, built-in names included."""
        loaded = sys.modules.get(self.module)
        if loaded is not None and name in vars(loaded):
            value = vars(loaded)[name]
            return Special(name) if getattr(value, "__module__", "") in _TYPING else Thing(value)
        found = self.checking(name)
        return self.spaces.in_module("builtins", name) if found is None and self.module != "builtins" else found

    def checking(self, name: str, depth: int = 0) -> Meaning:
        """What a name stands for under `if TYPE_CHECKING:`."""
        if self._checking is None:
            loaded = sys.modules.get(self.module)
            body = list(_checked(str(getattr(loaded, "__file__", ""))))
            is_package = hasattr(loaded, "__path__")
            self._checking = StubSpace(self.module, is_package, ast.Module(body, []), self.spaces)
        return self._checking.lookup(name, depth)


def _checked(path: str) -> Iterator[ast.stmt]:
    """The statements of a source file that type checkers alone see."""
    try:
        source = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return
    for block in _CHECKING.findall(source + "\n"):
        try:
            yield from ast.parse("if TYPE_CHECKING:\n" + block).body
        except SyntaxError:
            continue


Space = StubSpace | ModuleSpace


def absolute(node: ast.ImportFrom, package: str) -> str:
    """The full name of the module that a `from` import names."""
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def flat(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a stub's body that hold for this interpreter and platform."""
    for statement in body:
        if isinstance(statement, ast.If):
            truth = holds(statement.test)
            if truth is not False:
                yield from flat(statement.body)
            if truth is not True:
                yield from flat(statement.orelse)
        elif isinstance(statement, ast.Try):
            yield from flat(statement.body)
        else:
            yield statement


def holds(test: ast.expr) -> bool | None:
    """Whether a condition of a stub holds here; None where that can't be told."""
    if isinstance(test, ast.BoolOp):
        values = [holds(one) for one in test.values]
        if None in values:
            return None
        return any(values) if isinstance(test.op, ast.Or) else all(values)
    if ast.unparse(test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
        return True
    if not isinstance(test, ast.Compare) or len(test.ops) != 1:
        return None
    here: dict[str, Any] = {"sys.version_info": sys.version_info[:], "sys.platform": sys.platform}
    left = here.get(ast.unparse(test.left))
    compare = _COMPARISONS.get(type(test.ops[0]))
    try:
        right = ast.literal_eval(test.comparators[0])
        return None if left is None or compare is None else bool(compare(left, right))
    except (ValueError, TypeError):
        return None


def names_defined(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement of a stub defines."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        yield statement.target.id
    elif isinstance(statement, ast.Assign):
        yield from (target.id for target in statement.targets if isinstance(target, ast.Name))
    elif type(statement).__name__ == "TypeAlias":
        yield statement.name.id  # type: ignore[attr-defined]
