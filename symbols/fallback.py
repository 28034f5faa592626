"""Checks what the symbol table leaves open, with jedi's inference: `make().jsn()` where the code itself defines `make`.

    with InstanceChecker(table, python) as checker:
        findings = checker.check(code)

Jedi runs in a helper process that is started when it is first needed, is bounded in time and memory, and is ended when
it takes too long. The table still judges: jedi only tells classes. It needs an interpreter that has the libraries, and
is slow beside the table: tens to hundreds of milliseconds where there is something to ask. Without it nothing is found.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from symbols.check import bound_names, parse
from symbols.finding import Finding
from symbols.flow import Flow
from symbols.infer import Instance, Types, Value
from symbols.instances import InstanceJudge
from symbols.table import SymbolTable

HELPER = Path(__file__).with_name("helper.py")
MAX_CODE = 20_000
"""Characters of code beyond which jedi isn't asked."""
MAX_PLACES = 12
MAX_ANSWER = 1_000_000
MAX_STARTS = 3
"""How often the helper is started; after that nothing is asked any more."""


class InstanceChecker:
    """Finds attributes and keywords that don't exist on instances whose class the table alone can't tell."""

    def __init__(self, table: SymbolTable, python: str = "", seconds: float = 5.0, first_seconds: float = 60.0) -> None:
        """`python` is the interpreter that has the libraries; empty for the running one.

        A piece of code may take `seconds`, the first ones (jedi reads whole libraries then) together
        `first_seconds`. What takes longer has no findings.
        """
        self._table = table
        self._python = python or sys.executable
        self._seconds = seconds
        self._warming = first_seconds
        self._starts = MAX_STARTS if importlib.util.find_spec("jedi") else 0
        self._process: subprocess.Popen[bytes] | None = None
        self._stack = contextlib.ExitStack()
        self._folder = ""
        self._scopes: dict[str, int] = {scope.name: number for number, scope in enumerate(table.scopes) if scope.name}

    def __enter__(self) -> InstanceChecker:
        self._folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="boffin-jedi-"))
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._stack.close()

    def check(self, code: str) -> list[Finding]:
        """What doesn't exist on instances, and `check_code` can't know of; in the order of lines.

        Raises:
            SyntaxError: the code is not valid Python.
        """
        tree = parse(code)
        if len(code) > MAX_CODE or not self._is_of_libraries(tree):
            return []
        bound = bound_names(tree)
        asking = _Asking()
        Flow(self._table, bound, asking).follow(tree)
        places = asking.places[:MAX_PLACES]
        if not places:
            return []
        told = self._told(code, places)
        if not told:
            return []
        new = self._judged(tree, bound, told) - self._judged(tree, bound, {})
        return sorted(new, key=lambda one: (one.line, one.name))

    def _judged(self, tree: ast.Module, bound: Mapping[str, str], told: Mapping[ast.expr, Types]) -> set[Finding]:
        findings: set[Finding] = set()
        judge = InstanceJudge(self._table, tree, findings.add)
        Flow(self._table, bound, judge, told).follow(tree)
        return findings

    def _is_of_libraries(self, tree: ast.AST) -> bool:
        """Whether the code only imports what the table knows: jedi is to look at nothing else."""
        roots: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                roots.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                roots.add("." if node.level else (node.module or "").partition(".")[0])
        return bool(roots) and roots <= set(self._table.roots)

    def _told(self, code: str, places: list[ast.expr]) -> Mapping[ast.expr, Types]:
        lines = code.splitlines()
        request = {"code": code, "places": [_place(node, lines) for node in places]}
        answers = self._ask(json.dumps(request).encode() + b"\n")
        return {node: types for node, answer in zip(places, answers, strict=False) if (types := self._types(answer))}

    def _types(self, names: list[str] | None) -> Types:
        found: list[Instance] = []
        for name in names or ():
            reference = self._table.resolve(name)
            scope = self._scopes.get(name, -1) if reference is None or reference < 0 else reference
            if scope < 0:
                return None
            found.append(Instance(scope))
        return tuple(found) or None

    # The helper

    def _ask(self, request: bytes) -> list[list[str] | None]:
        """The helper's answer; none where it fails or takes too long, which ends it."""
        process = self._process or self._start()
        if process is None or process.stdin is None or process.stdout is None:
            return []
        began = time.monotonic()
        try:
            process.stdin.write(request)
            process.stdin.flush()
            value = json.loads(_line(process.stdout.fileno(), began + self._seconds + self._warming))
        except (OSError, ValueError):
            self._end()
            return []
        self._warming = max(0.0, self._warming - (time.monotonic() - began))
        return value if isinstance(value, list) else []

    def _start(self) -> subprocess.Popen[bytes] | None:
        if not self._starts:
            return None
        self._starts -= 1
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-X", "utf8", str(HELPER), self._python, self._folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            start_new_session=True,  # so that jedi's own process can be ended with it
        )
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream:
                with contextlib.suppress(OSError):
                    stream.close()


class _Asking:
    """Notes the places whose class would have to be known: names, and calls of names."""

    def __init__(self) -> None:
        self.places: list[ast.expr] = []

    def attribute(self, node: ast.Attribute, value: Value) -> None:
        """Note what the attribute is looked up on, where that is unknown."""
        owner = node.value
        if value is None and not node.attr.startswith("_") and _is_place(owner):
            self.places.append(owner)

    def call(self, node: ast.Call, function: Value) -> None:
        """Calls are seen by their attributes."""


def _is_place(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) or (isinstance(node, ast.Call) and isinstance(node.func, ast.Name))


def _place(node: ast.expr, lines: list[str]) -> tuple[int, int, bool]:
    """Where jedi is to look: line, column in characters, and whether what is there is called."""
    line = lines[node.lineno - 1].encode()[: node.col_offset].decode(errors="replace")
    return node.lineno, len(line), isinstance(node, ast.Call)


def _line(descriptor: int, deadline: float) -> bytes:
    """One line from a pipe.

    Raises:
        TimeoutError: it did not come in time.
        OSError: the other side has ended.
    """
    found = b""
    while not found.endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            raise TimeoutError("no answer in time")
        part = os.read(descriptor, 65536)
        if not part or len(found) > MAX_ANSWER:
            raise OSError("the helper has ended")
        found += part
    return found
