"""Runs answers' code with the checks of their questions, in the sandbox, and says how that went.

No network but a httpbin that answers for httpbin.org, bounds on time and memory. Knows nothing about what else an
answer must contain.
"""

from __future__ import annotations

import ast
import json
import re
import secrets
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal

from bundle.errors import EvaluationError
from evaluation.escape import one_line
from evaluation.measures.blocks import python_blocks
from evaluation.measures.code import MAX_CODE
from evaluation.suite.program import SPIED, failure, program
from evaluation.suite.question import Check, Question
from evaluation.suite.script import script
from sandbox import Limits, Outcome, Pool, SandboxError

Result = Literal["passed", "failed", "error", "timed out", "refused", "not checked"]
"""How a check went.

`passed` the answer's code ran and every assertion held · `failed` it ran and one didn't · `error` it didn't run to its
end, or there is none · `timed out` · `refused` it wanted what the sandbox doesn't give · `not checked` the question
has no check, or the check itself is at fault.
"""
SECONDS = 20.0
"""Seconds that a check may take, unless told otherwise."""
MEMORY = 2 * 2**30
"""Bytes that it may use."""
_HTTP = "httpbin.org"
_PROCESSES = 8
_STARTS_PROCESSES = re.compile(
    r"\b(?:subprocess|multiprocessing|ProcessPoolExecutor|os\.(?:fork|system|popen|spawn\w*))\b"
)
_REFUSED = ("network", "refused", "processes")

_NAMES = """\
import importlib, json, types

missing = []
for name in {names!r}:
    parts, found = name.split("."), None
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except Exception:
            continue
        break
    else:
        found, end = importlib.import_module("builtins"), 0
    for part in parts[end:]:
        if not hasattr(found, part):
            if isinstance(found, types.ModuleType):
                missing.append(name)
            break
        found = getattr(found, part)
print()
print(json.dumps(missing))
"""


@dataclass(frozen=True)
class Verdict:
    """How the check of one answer went."""

    result: Result
    detail: str = ""
    """Why, in one line that is safe to show; empty for a pass."""
    seconds: float = 0.0
    """Wall-clock time that it took."""


@dataclass(frozen=True)
class _Job:
    check: Check
    code: str
    nonce: str

    @property
    def needs(self) -> tuple[bool, bool]:
        """Whether it talks to httpbin, and whether it starts processes."""
        whole = "\n".join((self.check.before, self.code, self.check.after))
        return _HTTP in whole, bool(_STARTS_PROCESSES.search(whole))


class Checker:
    """Checks answers; a context manager. Interpreters start when something has to run, and then stay."""

    def __init__(
        self,
        python: str = "",
        imports: Sequence[str] = (),
        *,
        seconds: float = SECONDS,
        memory_bytes: int = MEMORY,
        workers: int = 0,
        strict: bool = False,
        allow_mere_limits: bool = False,
    ) -> None:
        """Say how to run.

        Args:
            python: the interpreter with the libraries; empty for this one.
            imports: modules to import once, before all checks; they have to be there.
            seconds: wall-clock time of one check.
            memory_bytes: address space of one check.
            workers: how many run at once; 0 for one a processor.
            strict: make an error of each warning that an answer's code causes.
            allow_mere_limits: where nothing contains code on this machine, run it under resource limits alone.
        """
        self._python = python or sys.executable
        self._imports = tuple(imports)
        self._seconds, self._memory = seconds, memory_bytes
        self._workers = workers
        self._strict = strict
        self._allow_mere_limits = allow_mere_limits
        self._stack = ExitStack()
        self._pools: dict[bool, Pool] = {}

    def __enter__(self) -> Checker:
        return self

    def __exit__(self, *_: object) -> None:
        self._pools.clear()
        self._stack.close()

    def check(self, answers: Sequence[tuple[Question, str]]) -> list[Verdict]:
        """How each answer (Markdown) to its question fares, in their order.

        Raises:
            EvaluationError: code can't be contained on this machine, or the interpreter can't be started.
        """
        return self._checked([(question.check, answer) for question, answer in answers])

    def run(self, answers: Sequence[str]) -> list[Verdict]:
        """How the code of each answer (Markdown) runs by itself, in their order; `passed` is: to its end.

        Raises:
            EvaluationError: code can't be contained on this machine, or the interpreter can't be started.
        """
        return self._checked([(Check(after="pass"), answer) for answer in answers])

    def _checked(self, answers: Sequence[tuple[Check | None, str]]) -> list[Verdict]:
        verdicts: dict[int, Verdict] = {}
        jobs: dict[int, _Job] = {}
        for number, (check, answer) in enumerate(answers):
            blocks = python_blocks(answer)
            if check is None:
                verdicts[number] = Verdict("not checked", "the question has no check")
            elif not blocks:
                verdicts[number] = Verdict("error", "there is no python block to run")
            elif sum(map(len, blocks)) > MAX_CODE:
                verdicts[number] = Verdict("error", f"more than {MAX_CODE:,} characters of code")
            else:
                jobs[number] = _Job(check, script(blocks), secrets.token_hex(16))
        try:
            verdicts.update((number, _verdict(jobs[number], outcome)) for number, outcome in self._run(jobs))
        except SandboxError as error:
            raise EvaluationError(f"the checks' code can't be run: {error}") from None
        return [verdicts[number] for number in range(len(answers))]

    def unknown(self, names: Sequence[str]) -> frozenset[str]:
        """Which of these dotted names the interpreter's libraries don't have.

        What a class doesn't have its instances may, so only modules are believed that something isn't there.

        Raises:
            EvaluationError: code can't be contained on this machine, or the interpreter can't be started.
        """
        limits = Limits(max(self._seconds, 60.0), self._memory)
        try:
            ((_, outcome),) = self._pool(False).run_all([("names", _NAMES.format(names=tuple(names)))], limits)
            found = json.loads(outcome.stdout.splitlines()[-1])
            return frozenset(str(name) for name in found)
        except SandboxError as error:
            raise EvaluationError(f"the checks' code can't be run: {error}") from None
        except (ValueError, IndexError, TypeError):
            raise EvaluationError(
                f"{one_line(self._python)}: the must lists' names can't be looked up there: "
                f"{one_line(outcome.stderr.strip().splitlines()[-1] if outcome.stderr.strip() else outcome.reason)}"
            ) from None

    def _run(self, jobs: dict[int, _Job]) -> Iterator[tuple[int, Outcome]]:
        for needs in Counter(job.needs for job in jobs.values()):
            http, processes = needs
            limits = Limits(self._seconds, self._memory, processes=_PROCESSES if processes else 1)
            group = (
                (number, program(job.check, job.code, job.nonce, strict=self._strict))
                for number, job in jobs.items()
                if job.needs == needs
            )
            yield from self._pool(http).run_all(group, limits)

    def _pool(self, http: bool) -> Pool:
        if http not in self._pools:
            pool = Pool(
                self._imports, self._python, self._workers, http=http, allow_mere_limits=self._allow_mere_limits
            )
            self._pools[http] = self._stack.enter_context(pool)
        return self._pools[http]


def _verdict(job: _Job, outcome: Outcome) -> Verdict:
    if outcome.reason == "ok" and job.nonce in outcome.stdout:
        return Verdict("passed", "", outcome.seconds)
    result, detail = _why(job, outcome)
    return Verdict(result, one_line(detail, 300), outcome.seconds)


def _why(job: _Job, outcome: Outcome) -> tuple[Result, str]:
    if outcome.reason == "timeout":
        return "timed out", f"it ran longer than {outcome.seconds:.0f} s"
    if outcome.exit_code == SPIED:
        return "refused", "it looks into the interpreter that checks it"
    told = failure(outcome.stdout)
    if told is None:
        ended = "before its check was over" if outcome.reason == "ok" else f"by {outcome.reason}"
        return "refused" if outcome.reason in _REFUSED else "error", f"it ended {ended}, exit code {outcome.exit_code}"
    what = f"{told.kind}: {told.text}" if told.text else told.kind
    if told.stage == "before":
        return "not checked", f"the check's own code before the answer fails: {what}"
    if told.stage == "answer":
        return "refused" if outcome.reason in _REFUSED else "error", f"{what}{_line(job.code, told.line)}"
    said = told.text if told.kind == "AssertionError" else what
    return "failed", f"{_statement(job.check.after, told.line)}" + (f" ({said})" if said else "")


def _line(code: str, number: int) -> str:
    lines = code.splitlines()
    return f", in {lines[number - 1].strip()!r}" if 0 < number <= len(lines) else ""


def _statement(code: str, number: int) -> str:
    """The innermost statement of a check that has this line."""
    found = [
        node
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.stmt) and node.lineno <= number <= (node.end_lineno or 0)
    ]
    if not found:
        return "the check"
    return ast.unparse(min(found, key=lambda node: (node.end_lineno or 0) - node.lineno)).splitlines()[0]
