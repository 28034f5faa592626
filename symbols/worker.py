"""The worker: imports packages, looks at what is there, and writes it as JSON lines to standard output.

Run by path in any interpreter from Python 3.10 on, `python -I worker.py PACKAGE…`; `stdlib` stands for the standard
library. Uses the standard library alone and knows nothing of Boffin. Each line is an object with one key:

    importing   the module that is imported next
    missing     a package that can't be imported, and why
    entry       one documented public object, under its shortest public name
    table       what exists, for the symbol table; the last line
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import json
import os
import pkgutil
import platform
import re
import signal
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import Any

IMPORT_SECONDS = 30.0
MAX_DOCSTRING = 60_000
COPIED_DOCSTRING = 120
STDLIB = "stdlib"
# Imported, these open a browser, print, start a program, or are tests; or they are tools rather than a library.
STDLIB_LEFT_OUT = frozenset(
    [
        "antigravity",
        "ensurepip",
        "idlelib",
        "lib2to3",
        "pydoc_data",
        "test",
        "this",
        "turtle",
        "turtledemo",
        "venv",
        "distutils",
    ]
)
# Second names of what has a better one (`os.path`, `os`), internals that are public by their spelling only, commands.
STDLIB_UNDOCUMENTED = frozenset(
    [
        "genericpath",
        "ntpath",
        "nturl2path",
        "nt",
        "posix",
        "posixpath",
        "pyexpat",
        "sre_compile",
        "sre_constants",
        "sre_parse",
        "opcode",
        "pdb",
        "pydoc",
        "encodings",
        "sitecustomize",
        "usercustomize",
        "tkinter",
    ]
)
INTERNAL = frozenset(
    [
        "compat",
        "conftest",
        "core",
        "extern",
        "internals",
        "packages",
        "tests",
        "test",
        "testing",
        "testutils",
        "vendor",
        "vendored",
    ]
)
OPAQUE = -1


def is_public(dotted: str) -> bool:
    """Whether no part of a dotted name is private or internal by its spelling."""
    return not any(part.startswith("_") or part in INTERNAL for part in dotted.split("."))


class Modules:
    """Imports packages with all their public submodules, and remembers what could not be imported."""

    def __init__(self, say: Callable[[dict[str, Any]], None]) -> None:
        self._say = say
        self.names: list[str] = []
        self.skipped: list[str] = []
        self.left_out: list[str] = []
        self.deprecated: set[str] = set()

    def add(self, name: str) -> bool:
        """Import a module and all below it; whether the module itself could be imported."""
        module, reason = self._import(name)
        if module is None:
            self.skipped.append(name)
            if "." not in name:
                self._say({"missing": [name, reason]})
            return False
        self.names.append(name)
        for found in sorted(pkgutil.iter_modules(getattr(module, "__path__", ())), key=lambda item: item.name):
            below = f"{name}.{found.name}"
            if found.name.startswith("_") or found.name in ("tests", "test", "conftest", "setup"):
                self.left_out.append(below)
            else:
                self.add(below)
        return True

    def _import(self, name: str) -> tuple[types.ModuleType | None, str]:
        self._say({"importing": name})
        with warnings.catch_warnings(record=True) as caught, time_limit(IMPORT_SECONDS):
            warnings.simplefilter("always")
            try:
                module = importlib.import_module(name)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # an import may raise anything, SystemExit too
                return None, f"{type(error).__name__}: {error}"[:300]
        if any(issubclass(one.category, DeprecationWarning) and name in str(one.message) for one in caught):
            self.deprecated.add(name)
        return module, ""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the block after so many seconds, where the system has interval timers."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def stop(*_: Any) -> None:
        raise TimeoutError(f"took longer than {seconds:.0f} s")

    previous = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def read(owner: Any, name: str) -> Any:
    """An attribute's value, or OPAQUE where reading it fails."""
    try:
        return getattr(owner, name)
    except Exception:
        return OPAQUE


def names_of(owner: Any) -> list[str]:
    """The public attribute names of a module or class, annotated ones included, sorted."""
    try:
        found = {*dir(owner), *vars(owner), *vars(owner).get("__annotations__", {})}
    except Exception:
        return []
    return sorted(name for name in found if isinstance(name, str) and not name.startswith("_"))


def signature_of(value: Any) -> inspect.Signature | None:
    """What a callable takes, or None where Python can't tell."""
    if isinstance(value, type) and "__call__" in vars(type(value)) and type(value) is not type:
        return None  # the metaclass may take anything
    try:
        return inspect.signature(value)
    except Exception:
        return None


def keywords(value: Any) -> list[str] | None:
    """The names that a callable takes as keywords, or None where it takes any, or where Python can't tell."""
    signature = signature_of(value)
    if signature is None:
        return None
    parameters = signature.parameters.values()
    if any(one.kind is one.VAR_KEYWORD for one in parameters):
        return None
    return [one.name for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]


def is_function(value: Any) -> bool:
    """Whether a value is documented as a function: routines, and callable objects with a name of their own."""
    if isinstance(value, type) or not callable(value):
        return False
    if type(value).__module__ == "typing":  # generic aliases look like callables
        return False
    return inspect.isroutine(value) or isinstance(getattr(value, "__name__", None), str)


class Graph:
    """Modules and classes as scopes with numbered members; functions as numbered keyword lists."""

    def __init__(self, modules: Modules) -> None:
        self._roots = {name.partition(".")[0] for name in modules.names}
        self._below: dict[str, list[str]] = {}
        for name in modules.skipped + modules.left_out:
            parent, _, last = name.rpartition(".")
            self._below.setdefault(parent, []).append(last)
        self.scopes: list[dict[str, Any]] = []
        self.keyword_lists: list[list[str]] = []
        self._numbers: dict[int, int] = {}
        self._keyword_numbers: dict[tuple[str, ...], int] = {}
        self._alive: list[Any] = []

    def scope(self, owner: Any) -> int:
        """The number of a module's or a class's scope; everything reachable from it is numbered too."""
        if id(owner) in self._numbers:
            return self._numbers[id(owner)]
        pending = [owner]
        self._number(owner)
        while pending:
            self._fill(pending.pop(), pending)
        return self._numbers[id(owner)]

    def _number(self, owner: Any) -> int:
        self._numbers[id(owner)] = len(self.scopes)
        self._alive.append(owner)  # an id is only unique among living objects
        self.scopes.append({})
        return self._numbers[id(owner)]

    def _reference(self, owner: Any, pending: list[Any]) -> int:
        if id(owner) not in self._numbers:
            self._number(owner)
            pending.append(owner)
        return self._numbers[id(owner)]

    def _fill(self, owner: Any, pending: list[Any]) -> None:
        scope = self.scopes[self._numbers[id(owner)]]
        inherited: set[str] = set()
        if isinstance(owner, type):
            bases = [*owner.__bases__, *([type(owner)] if type(owner) is not type else [])]
            scope["b"] = [self._reference(base, pending) for base in bases if base is not object]
            inherited = {name for base in owner.__mro__[1:] for name in names_of(base)} - set(vars(owner))
            taken = keywords(owner)
            if taken is not None:
                scope["k"] = self._keyword_number(taken)
        members = {name: self._member(owner, name, pending) for name in names_of(owner) if name not in inherited}
        for name in self._below.get(getattr(owner, "__name__", ""), ()) if inspect.ismodule(owner) else ():
            members.setdefault(name, OPAQUE)
        scope["m"] = members

    def _member(self, owner: Any, name: str, pending: list[Any]) -> int:
        value = read(owner, name)
        if inspect.ismodule(value):
            known = value.__name__.partition(".")[0] in self._roots
            return self._reference(value, pending) if known else OPAQUE
        if isinstance(value, type):
            known = str(value.__module__).partition(".")[0].lstrip("_") in self._roots
            return self._reference(value, pending) if known else OPAQUE
        if is_function(value):
            taken = keywords(value)
            return OPAQUE if taken is None else -2 - self._keyword_number(taken)
        return OPAQUE

    def _keyword_number(self, taken: list[str]) -> int:
        number = self._keyword_numbers.setdefault(tuple(taken), len(self.keyword_lists))
        if number == len(self.keyword_lists):
            self.keyword_lists.append(taken)
        return number


class Found:
    """A public name of an object: where it is, and how good a name it is.

    `receiver` is the class whose instances have it, `home` whether that class defines it, `size` how many public
    names that class has.
    """

    def __init__(
        self, module: str, rest: str, value: Any, receiver: str = "", home: bool = False, size: int = 0
    ) -> None:
        self.module, self.rest, self.value, self.receiver = module, rest, value, receiver
        self.home, self.size = home, size
        self.symbol = f"{module}.{rest}"

    @property
    def rank(self) -> tuple[Any, ...]:
        """Sorts the best name first: the defining class's, few parts, the object's own name, the richest class's."""
        parts = self.symbol.count(".") - (self.module == "builtins")
        own = getattr(self.value, "__name__", "") == self.rest.rpartition(".")[2]
        defined_here = getattr(self.value, "__module__", "") == self.module
        return (not self.home, parts, not own, not defined_here, -self.size, self.symbol)


def identity(raw: Any) -> int:
    """What stays the same under all names of an object: bound methods and properties stand for their function."""
    for name in ("__func__", "fget", "func"):
        inner = inspect.getattr_static(raw, name, None)
        if inspect.isroutine(inner):
            return id(inner)
    return id(getattr(raw, "__func__", raw))


def public_here(module: types.ModuleType, attribute: str, value: Any) -> bool:
    """Whether a module offers this attribute as its own.

    Where the package lists its public names in `__all__`, its inner modules that list none are internals.
    """
    name = module.__name__
    offered = getattr(module, "__all__", None)
    if offered is not None:
        return attribute in offered
    if name == "builtins":
        return True
    if name.count(".") >= 2 and hasattr(sys.modules[name.partition(".")[0]], "__all__"):
        return False
    home = str(getattr(value, "__module__", None) or "").lstrip("_")
    return home == name or home.startswith(name + ".")


def find_objects(names: list[str]) -> list[Found]:
    """Every function, class and member of the public modules, each under its best name."""
    best: dict[Any, Found] = {}

    def offer(key: Any, found: Found) -> None:
        if key not in best or found.rank < best[key].rank:
            best[key] = found

    for name in names:
        module = sys.modules[name]
        if not is_public(name) or name.partition(".")[0] in STDLIB_UNDOCUMENTED:
            continue
        for attribute in names_of(module):
            value = read(module, attribute)
            if (isinstance(value, type) or is_function(value)) and public_here(module, attribute, value):
                offer(identity(value), Found(name, attribute, value))
    roots = {name.partition(".")[0] for name in names}
    for found in [one for one in best.values() if isinstance(one.value, type)]:
        for key, member in members_of(found, found.value, found.symbol, roots):
            offer(key, member)
    every = list(best.values())
    best.clear()
    for found in every:  # copies of one docstring under one name document one thing
        docstring = docstring_of(found.value)
        copied = len(docstring) >= COPIED_DOCSTRING
        offer((found.symbol.rpartition(".")[2], docstring) if copied else found.symbol, found)
    return sorted(best.values(), key=lambda one: one.symbol)


def members_of(
    found: Found, owner: type, receiver: str, roots: set[str], home_of_accessor: bool = True
) -> Iterator[tuple[int, Found]]:
    """The methods, properties and nested exceptions of a class, and the members of its accessors."""
    size = len(names_of(found.value))
    for name in names_of(owner):
        raw = inspect.getattr_static(owner, name, OPAQUE)
        definer = next((base for base in owner.__mro__ if name in vars(base)), None)
        if raw is OPAQUE or definer is None or str(definer.__module__).partition(".")[0].lstrip("_") not in roots:
            continue
        value = read(owner, name)
        rest = f"{found.rest}.{name}"
        home = definer is owner and home_of_accessor
        if isinstance(value, type):
            if not isinstance(raw, type) and owner is found.value:  # an accessor such as Series.str
                accessor = Found(found.module, rest, found.value)
                yield from members_of(accessor, value, receiver, roots, home)
            elif value.__qualname__ == f"{owner.__qualname__}.{name}" and issubclass(value, BaseException):
                yield identity(value), Found(found.module, rest, value)
        elif isinstance(raw, (classmethod, staticmethod)) or type(raw).__name__ == "classmethod_descriptor":
            yield identity(raw), Found(found.module, rest, value, "", home, size)
        elif inspect.isroutine(raw) or is_property(raw):
            yield identity(raw), Found(found.module, rest, raw, receiver, home, size)


def is_property(raw: Any) -> bool:
    """Whether a raw class attribute is computed on access: a property, a cached or a C-level one."""
    return isinstance(raw, property) or inspect.isdatadescriptor(raw) or type(raw).__name__ == "cached_property"


def kind_of(found: Found) -> str:
    """What an object is: function, class, exception, method or property."""
    if isinstance(found.value, type):
        return "exception" if issubclass(found.value, BaseException) else "class"
    if not found.receiver:
        return "function"
    return "method" if inspect.isroutine(found.value) else "property"


def docstring_of(value: Any) -> str:
    """The object's own docstring, without indentation; empty where it has none."""
    text = vars(value).get("__doc__") if isinstance(value, type) else getattr(value, "__doc__", None)
    if not isinstance(text, str) or (not isinstance(value, type) and text == type(value).__doc__):
        return ""
    return inspect.cleandoc(text)[:MAX_DOCSTRING]


def is_deprecated(found: Found, docstring: str) -> bool:
    """Whether an object says of itself that it is deprecated; a deprecated parameter does not count."""
    if getattr(found.value, "__deprecated__", None):
        return True
    head = re.split(r"^(?:Parameters|Args:|Arguments:|:param)", docstring, maxsplit=1, flags=re.MULTILINE)[0]
    return bool(
        re.search(r"^\.\. deprecated(-removed)?::", head, re.MULTILINE)
        or re.match(r"\W*(\w+ is )?(deprecat|obsolete)", head, re.IGNORECASE)
        or re.search(r"\b(?:function|method|class|module) (?:is|has been) (?:now )?deprecated", head)
    )


def text_of_default(value: Any) -> str:
    """A default value as source text; an ellipsis where its text is long or differs from run to run."""
    try:
        text = repr(value)
    except Exception:
        return "..."
    return text if len(text) <= 40 and text.isprintable() and not text.startswith("<") and "0x" not in text else "..."


def parameters_of(found: Found, kind: str) -> list[list[str | None]] | None:
    """Name, kind and default (None where it is required) of each parameter; None where Python can't tell."""
    if kind == "property":
        return []
    signature = signature_of(found.value)
    if signature is None:
        return None
    parameters = list(signature.parameters.values())
    if kind == "method" and parameters:
        del parameters[0]
    return [
        [one.name, one.kind.name.lower(), None if one.default is one.empty else text_of_default(one.default)]
        for one in parameters
    ]


def returns_of(value: Any) -> str:
    """The return annotation as text, or nothing."""
    annotation = getattr(value, "__annotations__", {}).get("return", "") if inspect.isroutine(value) else ""
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    return text[:80] if text.isprintable() and "0x" not in text else ""


def distribution_of(package: str) -> tuple[str, str, str]:
    """The distribution's name, version and licence of an import name, as far as the metadata tells."""
    if package == STDLIB or package.partition(".")[0] in sys.stdlib_module_names:
        return STDLIB, platform.python_version(), "PSF-2.0"
    root = package.partition(".")[0]
    for name in [*metadata.packages_distributions().get(root, ()), root]:
        try:
            facts: Any = metadata.metadata(name)
        except metadata.PackageNotFoundError:
            continue
        classifiers = [line for line in facts.get_all("Classifier") or () if line.startswith("License ::")]
        licence = facts.get("License-Expression") or (facts.get("License") or "").strip().partition("\n")[0]
        if not licence or len(licence) > 100:
            licence = facts.get("License-Expression") or (classifiers[0].rpartition(" :: ")[2] if classifiers else "")
        return facts["Name"], facts["Version"], licence or "unknown"
    return root, str(getattr(sys.modules.get(root), "__version__", "unknown")), "unknown"


def is_below(module: str, names: set[str]) -> bool:
    """Whether a module is one of the named ones or inside one."""
    return any(module == name or module.startswith(name + ".") for name in names)


def describe(found: Found, distribution: tuple[str, str, str], deprecated_modules: set[str]) -> dict[str, Any]:
    """An object as one line's value."""
    kind = kind_of(found)
    docstring = docstring_of(found.value)
    return {
        "symbol": found.symbol,
        "module": found.module,
        "receiver": found.receiver,
        "kind": kind,
        "parameters": parameters_of(found, kind),
        "returns": returns_of(found.value),
        "docstring": docstring,
        "deprecated": is_below(found.module, deprecated_modules) or is_deprecated(found, docstring),
        "package": distribution[0],
        "version": distribution[1],
        "licence": distribution[2],
    }


def importable_roots() -> list[str]:
    """The names of all top-level modules that this interpreter can import, as far as they can be listed."""
    installed = {found.name for found in pkgutil.iter_modules()}
    return sorted(installed | set(sys.stdlib_module_names))


def main(packages: list[str]) -> None:
    """Walk the packages; standard output is the channel, so what they print goes nowhere."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115

    def say(line: dict[str, Any]) -> None:
        channel.write(json.dumps(line, ensure_ascii=True) + "\n")
        channel.flush()

    warnings.simplefilter("ignore")
    modules = Modules(say)
    walked: list[tuple[str, list[str]]] = []
    for package in packages:
        before = len(modules.names)
        stdlib = sorted(set(sys.stdlib_module_names) - STDLIB_LEFT_OUT)
        for name in [one for one in stdlib if not one.startswith("_")] if package == STDLIB else [package]:
            modules.add(name)
        if package == STDLIB:
            modules.names.append("os.path")  # the walk meets it as posixpath or ntpath only
        walked.append((package, modules.names[before:]))
    versions: dict[str, str] = {}
    for package, names in walked:
        distribution = distribution_of(package)
        versions.update({name.partition(".")[0]: distribution[1] for name in names})
        for found in find_objects(names):
            say({"entry": describe(found, distribution, modules.deprecated)})
    graph = Graph(modules)
    roots = {name: graph.scope(sys.modules[name]) for name in sorted(versions)}
    loaded = {name for name in sys.modules if name.partition(".")[0] in roots and is_public(name)}
    table = {
        "packages": versions,
        "known": importable_roots(),
        "roots": roots,
        "modules": sorted(loaded | set(modules.names) | set(modules.left_out) | set(modules.skipped)),
        "keywords": graph.keyword_lists,
        "scopes": graph.scopes,
    }
    say({"table": table, "skipped": len(modules.skipped)})
    channel.close()
    os._exit(0)  # packages' own exit handlers and threads have no say


if __name__ == "__main__":
    main(sys.argv[1:])
