"""Run-time introspection of installed packages, in any interpreter, through the worker script.

Importing a package runs its code, so it happens in a process of its own: what a package prints, raises, leaves
running or breaks stays there. Knows nothing about what the entries are used for.
"""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from symbols.table import SymbolTable

STDLIB = "stdlib"
"""Stands for Python's standard library among package names."""
WORKER = Path(__file__).parent / "worker" / "__main__.py"
MAX_LINE = 64 * 1024 * 1024
"""Longest line taken from the worker, in characters; its last line is a whole symbol table."""
_MAX_TEXT = 100_000

Kind = Literal["function", "class", "exception", "method", "property"]


class IntrospectionError(Exception):
    """A package, or the interpreter, can't be looked at; the text is one line."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a callable."""

    name: str
    kind: str
    """As `inspect` names it: positional_only, positional_or_keyword, var_positional, keyword_only, var_keyword."""
    default: str | None
    """The default's source text, `...` where that is long; None where the parameter is required."""

    @property
    def required(self) -> bool:
        """Whether a call must give it."""
        return self.default is None and not self.kind.startswith("var_")


@dataclass(frozen=True)
class Entry:
    """One documented object, under its shortest public name."""

    symbol: str
    """Full dotted name, e.g. `pandas.DataFrame.groupby`."""
    module: str
    """The module to import it from, e.g. `pandas`."""
    receiver: str
    """For a method or property: full name of the class on whose instances it is used; else empty."""
    kind: Kind
    """What it is; class and static methods are functions, exceptions are no classes."""
    parameters: tuple[Parameter, ...] | None
    """What a call takes, without the receiver; None where Python can't tell."""
    returns: str
    """The return annotation's text; empty where there is none."""
    docstring: str
    """The docstring, without indentation."""
    deprecated: bool
    """Whether it says of itself that it is deprecated."""
    package: str
    """The distribution's name; `stdlib` for the standard library."""
    version: str
    """The distribution's version."""
    licence: str
    """The licence that the distribution's metadata names."""

    @property
    def signature(self) -> str | None:
        """The parameters as source text, e.g. `(start, stop, num=50, *, dtype=None)`; None where unknown."""
        if self.parameters is None:
            return None
        parts: list[str] = []
        for number, one in enumerate(self.parameters):
            before = self.parameters[number - 1].kind if number else ""
            if before == "positional_only" and one.kind != "positional_only":
                parts.append("/")
            if one.kind == "keyword_only" and before not in ("keyword_only", "var_positional"):
                parts.append("*")
            stars = {"var_positional": "*", "var_keyword": "**"}.get(one.kind, "")
            parts.append(stars + one.name + ("" if one.default is None else f"={one.default}"))
        if self.parameters and self.parameters[-1].kind == "positional_only":
            parts.append("/")
        return f"({', '.join(parts)})"


class PackageWalk(Iterator[Entry]):
    """One run of the worker: iterate for the entries, then read `table`, `skipped` and `missing`."""

    def __init__(self, packages: Sequence[str], python: str, timeout: float) -> None:
        """`timeout` bounds the whole run, in seconds."""
        self._packages = packages
        self._python = python or sys.executable
        self._timeout = timeout
        self._table: SymbolTable | None = None
        self.skipped = 0
        """How many modules could not be imported."""
        self.missing: dict[str, str] = {}
        """Top-level modules that could not be imported, and why."""
        self._entries = self._run()

    def __next__(self) -> Entry:
        return next(self._entries)

    @property
    def table(self) -> SymbolTable:
        """What exists in the packages.

        Raises:
            RuntimeError: the iteration has not ended yet.
        """
        if self._table is None:
            raise RuntimeError("the table is there once the entries have been read")
        return self._table

    def _run(self) -> Iterator[Entry]:
        for name in self._packages:
            if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", name):
                raise IntrospectionError(f"{name!r} is not the import name of a package")
        command = [self._python, "-I", "-X", "utf8", "-W", "ignore", str(WORKER), _stubs(), *self._packages]
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8"
            )
        except OSError as error:
            reason = error.strerror or error
            raise IntrospectionError(f"{self._python}: can't be run as a Python interpreter ({reason})") from None
        late = threading.Event()

        def stop() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(self._timeout, stop)
        timer.daemon = True  # it must not keep the program alive when the consumer fails
        timer.start()
        importing = ""
        deprecated: set[str] = set()
        try:
            assert process.stdout is not None
            while line := process.stdout.readline(MAX_LINE):
                value = self._parse(line)
                if "entry" in value:
                    entry = _entry(value["entry"])
                    deprecated |= {entry.symbol} if entry.deprecated else set()
                    yield entry
                elif "importing" in value:
                    importing = str(value["importing"])
                elif "missing" in value:
                    name, reason = value["missing"]
                    self.missing[str(name)] = str(reason)
                elif "table" in value:
                    self._table = replace(SymbolTable.from_json(value["table"]), deprecated=frozenset(deprecated))
                    self.skipped = int(value["skipped"])
        except (UnicodeDecodeError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise IntrospectionError(f"{self._python}: the worker's answer can't be read ({error})") from None
        finally:
            timer.cancel()
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()
        if self._table is None:
            what = f"took longer than {self._timeout:.0f} s" if late.is_set() else f"ended with {process.returncode}"
            where = f" while it imported {importing}" if importing else "; is it Python 3.10 or newer?"
            raise IntrospectionError(f"{self._python}: looking at {', '.join(self._packages)} {what}{where}")

    @staticmethod
    def _parse(line: str) -> dict[str, Any]:
        value = json.loads(line)
        if not isinstance(value, dict):
            raise ValueError("a line is not an object")
        return value


def walk_packages(packages: Sequence[str], python: str = "", timeout: float = 600.0) -> PackageWalk:
    """Walk installed packages by importing them; yields their documented objects, sorted within a package.

    Args:
        packages: Import names; `stdlib` stands for the standard library.
        python: The interpreter whose packages are meant; empty for the running one.
        timeout: Bound of the whole run, in seconds.

    Raises:
        IntrospectionError: while iterating: no such interpreter, a package that ends or hangs the process.
    """
    return PackageWalk(packages, python, timeout)


def _stubs() -> str:
    """The folder with the standard library's stubs that jedi carries; empty where jedi isn't installed."""
    spec = importlib.util.find_spec("jedi")
    places = spec.submodule_search_locations if spec else None
    folder = Path(places[0]) / "third_party" / "typeshed" / "stdlib" if places else None
    return str(folder) if folder and folder.is_dir() else ""


def _entry(value: dict[str, Any]) -> Entry:
    texts = {
        name: str(value[name])[:_MAX_TEXT]
        for name in ("symbol", "module", "receiver", "returns", "docstring", "package", "version", "licence")
    }
    if value["kind"] not in get_args(Kind):
        raise ValueError(f"{value['kind']!r} is no kind of object")
    taken = value["parameters"]
    parameters = (
        None
        if taken is None
        else tuple(
            Parameter(str(name), str(kind), None if default is None else str(default)) for name, kind, default in taken
        )
    )
    return Entry(kind=value["kind"], parameters=parameters, deprecated=bool(value["deprecated"]), **texts)
