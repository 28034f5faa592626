"""Several warm interpreters at work on a stream of examples.

    with Pool(["numpy", "pandas"]) as pool:
        for key, outcome in pool.run_all((record.id, record.code) for record in records):
            ...

Knows nothing about what the examples are for; keeps a few of them in memory at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import TypeVar

from sandbox.fixture import HttpFixture
from sandbox.outcome import DEFAULT_LIMITS, InterpreterGone, Limits, Outcome, SandboxError
from sandbox.warm import Warm

K = TypeVar("K")

_WAITING = 3
"""Jobs a worker that are taken from the stream and not yet handed back."""


class Pool:
    """A number of `Warm`s, each with a thread; one that dies is replaced."""

    def __init__(
        self,
        imports: Sequence[str] = (),
        python: str = sys.executable,
        workers: int = 0,
        *,
        http: bool = False,
        allow_mere_limits: bool = False,
    ) -> None:
        """Say what to start; the interpreters start with their first jobs.

        Args:
            imports: modules that each interpreter imports once.
            python: the interpreter, 3.9 or later, with the packages that the code may import.
            workers: how many interpreters; 0 for one a processor that this process may use.
            http: whether the code may reach an HTTP fixture, which the interpreters share.
            allow_mere_limits: where nothing contains code on this machine, run it under resource limits alone.
        """
        self._imports = imports
        self._python = python
        self._workers = workers or processors()
        self._http = http
        self._allow_mere_limits = allow_mere_limits
        self._fixture: HttpFixture | None = None
        self._stack = contextlib.ExitStack()
        self._idle: list[Warm] = []
        self._lock = threading.Lock()
        self._executor: ThreadPoolExecutor | None = None

    def __enter__(self) -> Pool:
        """Start the fixture where one is wanted, and one interpreter.

        Raises:
            SandboxError: it can't be started or contained here, or an import fails.
        """
        with contextlib.ExitStack() as stack:
            if self._http:
                self._fixture = stack.enter_context(HttpFixture(allow_mere_limits=self._allow_mere_limits))
            stack.callback(self._close_idle)
            self._idle.append(self._start())
            self._executor = ThreadPoolExecutor(self._workers, "sandbox")
            stack.callback(self._executor.shutdown, cancel_futures=True)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """End all interpreters, and what may still run."""
        self._executor = None
        self._stack.close()

    def run_all(self, jobs: Iterable[tuple[K, str]], limits: Limits = DEFAULT_LIMITS) -> Iterator[tuple[K, Outcome]]:
        """Run code after code; every job is answered once, in the order in which they end.

        Code whose interpreter dies is run again in another; where that dies too, its reason is `killed`. Leaving the
        iterator early drops what hasn't begun.

        Args:
            jobs: a key of the caller's and the code; read only a few jobs ahead.
            limits: what each code may use.

        Raises:
            SandboxError: the code can't be contained, or an interpreter can't be started.
        """
        if self._executor is None:
            raise InterpreterGone("the pool isn't running; use it as a context manager")
        stream = iter(jobs)
        running: dict[Future[Outcome], K] = {}
        try:
            while True:
                for key, code in islice(stream, self._workers * _WAITING - len(running)):
                    running[self._executor.submit(self._run, code, limits)] = key
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(future), future.result()
        finally:
            wait([future for future in running if not future.cancel()])

    def _run(self, code: str, limits: Limits) -> Outcome:
        for last in (False, True):
            with self._lock:
                warm = self._idle.pop() if self._idle else None
            warm = warm or self._start()
            try:
                outcome = warm.run(code, limits)
            except SandboxError as error:
                warm.__exit__()
                if last and not isinstance(error, InterpreterGone):
                    raise
                continue
            except BaseException:
                warm.__exit__()
                raise
            with self._lock:
                self._idle.append(warm)
            return outcome
        return Outcome("killed", -signal.SIGKILL, "", "the interpreter ended under this code, twice\n", 0.0)

    def _start(self) -> Warm:
        warm = Warm(self._imports, self._python, http=self._fixture, allow_mere_limits=self._allow_mere_limits)
        return warm.__enter__()

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop().__exit__()


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
