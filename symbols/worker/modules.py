"""Imports packages with all their public modules, and reads what is there without letting it raise."""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import pkgutil
import signal
import textwrap
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

IMPORT_SECONDS = 30.0
MAX_SOURCE = 60_000
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
    if isinstance(value, type) and inspect.getattr_static(type(value), "__signature__", None) is not None:
        return None  # the metaclass says what it likes
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


def text_of(value: Any, name: str) -> str:
    """An attribute of an object that is a text; empty where it is anything else, or can't be read."""
    found = read(value, name)
    return found if isinstance(found, str) else ""


def written(value: Any) -> Any:
    """The function that a function or method stands for, without decorators that say what they wrap."""
    if inspect.isroutine(value):
        try:
            value = inspect.unwrap(value)
        except ValueError:  # it wraps itself
            return value
    return getattr(value, "__func__", value)


def is_function(value: Any) -> bool:
    """Whether a value is documented as a function: routines, and callable objects with a name of their own."""
    if isinstance(value, type) or not callable(value):
        return False
    if type(value).__module__ == "typing":  # generic aliases look like callables
        return False
    return inspect.isroutine(value) or isinstance(getattr(value, "__name__", None), str)


def tree_of(value: Any) -> ast.AST | None:
    """The syntax tree of a function's or class's source; None where there is none, or where it is very long."""
    try:
        source = inspect.getsource(value)
        return ast.parse(textwrap.dedent(source)) if len(source) <= MAX_SOURCE else None
    except (OSError, TypeError, SyntaxError, ValueError, IndexError):
        return None
