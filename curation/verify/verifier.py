"""Runs drafts' code, twice, in the sandbox, and makes records of those that hold.

run-exception, run-timeout, run-memory, run-output,
run-processes, run-network, run-refused, run-killed   how the code ended
deprecation-warning                                   the code causes a warning that something is deprecated
wrong-error                                           the code that has to fail doesn't, or fails otherwise
personal-data, prompt-injection                       what the code prints, or its traceback, shows it

Outcomes are kept by the digest of the code and of what it runs on. Knows nothing about questions and prose.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from bundle.digests import digest_text
from bundle.errors import SourceError
from bundle.records import Record
from curation.draft import Draft, to_record
from curation.injections import leaked_prompt
from curation.masking import mask
from curation.reason import Reason
from curation.settings import Verification
from curation.verify.recording import error_name, last_lines, read_recording, recorder, unstable, with_output
from curation.verify.store import Store
from sandbox import Limits, Outcome, Pool, SandboxError

FORMAT = 1
"""Raised when the same code would be recorded in another way."""
_HTTP = "httpbin.org"


@dataclass(frozen=True)
class Environment:
    """What code runs on."""

    python: str
    """The interpreter; empty for this one."""
    digest: str
    """Digest of its version and of its libraries' versions."""
    imports: tuple[str, ...] = ()
    """Modules that are imported once, before the examples."""


@dataclass(frozen=True)
class _Task:
    """One piece of code that has to run, or to fail."""

    code: str
    fails: bool

    def program(self) -> str:
        return self.code if self.fails else recorder(self.code, self.nonce)

    @property
    def nonce(self) -> str:
        return digest_text(self.code)[:12]


class Verifier:
    """Verifies the drafts of one environment; a context manager. Interpreters start when something has to run."""

    def __init__(self, settings: Verification, environment: Environment, store: Store) -> None:
        self._settings = settings
        self._environment = environment
        self._store = store
        self._limits = Limits(seconds=settings.seconds, memory_bytes=settings.memory_mb * 2**20)
        self._stack = ExitStack()
        self._pools: dict[bool, Pool] = {}
        self.ran = 0
        """Pieces of code that were run, rather than known from earlier."""

    def __enter__(self) -> Verifier:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def verify(self, drafts: Sequence[Draft]) -> list[Record | Reason]:
        """A record, or the reason why there is none, for each draft.

        Raises:
            SourceError: code can't be contained on this machine, or the interpreter can't be started.
        """
        tasks = {task: self._key(task) for draft in drafts for task in _tasks(draft)}
        known = {key: json.loads(value) for key, value in self._store.get(list(tasks.values())).items()}
        missing = {task: key for task, key in tasks.items() if key not in known}
        if missing:
            fresh = self._run(missing)
            self._store.put({key: json.dumps(value, ensure_ascii=True) for key, value in fresh.items()})
            known.update(fresh)
        return [self._record(draft, known) for draft in drafts]

    def _key(self, task: _Task) -> str:
        parts = [FORMAT, self._environment.digest, task.fails, self._settings.httpbin, task.code]
        return digest_text(json.dumps(parts))

    def _run(self, missing: Mapping[_Task, str]) -> dict[str, dict[str, object]]:
        self.ran += len(missing)
        values: dict[str, dict[str, object]] = {}
        try:
            first = dict(self._run_once(missing))
            again = [task for task in missing if task.fails or first[task].reason == "ok"]
            second = dict(self._run_once(again))
        except SandboxError as error:
            raise SourceError(f"curation.verification: {error}") from None
        for task, key in missing.items():
            judge = _failed if task.fails else _recorded
            values[key] = judge(task, first[task], second.get(task, first[task]))
        return values

    def _run_once(self, tasks: Iterable[_Task]) -> Iterable[tuple[_Task, Outcome]]:
        groups: dict[bool, list[_Task]] = {}
        for task in tasks:
            groups.setdefault(self._settings.httpbin and _HTTP in task.code, []).append(task)
        for http, group in groups.items():
            yield from self._pool(http).run_all(((task, task.program()) for task in group), self._limits)

    def _pool(self, http: bool) -> Pool:
        if http not in self._pools:
            pool = Pool(
                imports=self._environment.imports,
                python=self._environment.python or sys.executable,
                workers=self._settings.workers,
                http=http,
                allow_mere_limits=self._settings.allow_mere_limits,
            )
            self._pools[http] = self._stack.enter_context(pool)
        return self._pools[http]

    def _record(self, draft: Draft, known: Mapping[str, Mapping[str, object]]) -> Record | Reason:
        traceback = ""
        if draft.failing:
            failed = known[self._key(_Task(draft.failing, fails=True))]
            if "traceback" not in failed:
                return Reason("wrong-error", f"nothing like {draft.expects}: {failed['detail']}")
            traceback = str(failed["traceback"])
            if draft.expects and error_name(traceback) != draft.expects:
                return Reason("wrong-error", f"{error_name(traceback)} in place of {draft.expects}")
        found = known[self._key(_Task(draft.code, fails=False))]
        if "outputs" not in found:
            return Reason(str(found["code"]), str(found["detail"]))
        outputs, hidden = found["outputs"], found["unstable"]
        assert isinstance(outputs, list) and isinstance(hidden, list)
        if reason := _unfit("\n".join([traceback, *outputs])):
            return reason
        if hidden:
            draft = replace(draft, provenance=draft.provenance.model_copy(update={"varies": True}))
        return to_record(draft, with_output(draft.code, outputs, frozenset(hidden)), traceback)


def _unfit(text: str) -> Reason | None:
    """What an output mustn't show though the code, which was looked at before it ran, doesn't say so."""
    if names := mask(text)[1]:
        return Reason("personal-data", f"the output shows: {', '.join(names)}")
    found = leaked_prompt(text)
    return Reason("prompt-injection", f"the output has {found}") if found else None


def _tasks(draft: Draft) -> list[_Task]:
    tasks = [_Task(draft.code, fails=False)]
    return [*tasks, _Task(draft.failing, fails=True)] if draft.failing else tasks


def _recorded(task: _Task, first: Outcome, second: Outcome) -> dict[str, object]:
    for outcome in (first, second):
        if outcome.reason != "ok":
            lines = last_lines(outcome.stderr).splitlines()[-1:] or [f"exit code {outcome.exit_code}"]
            return {"code": f"run-{outcome.reason}", "detail": lines[0][:300]}
    one, other = (read_recording(outcome.stdout, task.nonce) for outcome in (first, second))
    if one is None or other is None:
        return {"code": "run-exception", "detail": "it ended before its end"}
    if one.deprecations:
        return {"code": "deprecation-warning", "detail": one.deprecations[0]}
    return {"outputs": list(one.outputs), "unstable": sorted(unstable(task.code, one.outputs, other.outputs))}


def _failed(task: _Task, first: Outcome, second: Outcome) -> dict[str, object]:
    if first.reason == "ok":
        return {"detail": "it runs"}
    one, other = (last_lines(outcome.stderr) for outcome in (first, second))
    if not one or one != other:
        return {"detail": f"it ends by {first.reason}, not in the same way each time"}
    return {"traceback": one}
