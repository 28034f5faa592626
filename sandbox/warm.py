"""A warm interpreter: it has imported what examples need, and forks a contained child for each of them.

    with Warm(imports=["numpy", "pandas"]) as warm:
        outcome = warm.run("import pandas; print(pandas.Series([1, 2]).sum())")

Where `run_code` pays for the imports each time, this pays once. The interpreter itself runs nothing untrusted.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sandbox.child import MESSAGE_BYTES
from sandbox.containment import containment
from sandbox.folder import private_folder
from sandbox.outcome import DEFAULT_LIMITS, Limits, Outcome, SandboxError
from sandbox.run import job, run_code, start
from sandbox.watch import Pipes, kill_group, watch

_START_SECONDS = 120.0
_ANSWER_SECONDS = 20.0


class Warm:
    """Runs one example after another; threads take turns. Use several for several processors.

    On a Mac, where forking after imports isn't safe, each example gets a fresh interpreter.
    """

    def __init__(
        self, imports: Sequence[str] = (), python: str = sys.executable, *, allow_mere_limits: bool = False
    ) -> None:
        self._imports = list(imports)
        self._python = python
        self._allow_mere_limits = allow_mere_limits
        self._turn = threading.Lock()
        self._stack = contextlib.ExitStack()
        self._control: socket.socket | None = None
        self._home = Path()

    def __enter__(self) -> Warm:
        """Start the interpreter.

        Raises:
            SandboxError: it can't be started, or an import fails.
        """
        if sys.platform.startswith("linux"):
            with contextlib.ExitStack() as stack:
                self._start(stack)
                self._stack = stack.pop_all()
        return self

    def _start(self, stack: contextlib.ExitStack) -> None:
        self._home = stack.enter_context(private_folder())
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                process = start(self._python, ["serve", str(theirs.fileno())], self._home, [theirs.fileno()])
            except SandboxError:
                ours.close()
                raise
        stack.enter_context(process)
        stack.enter_context(ours)  # closed first: that ends the interpreter
        ours.settimeout(_START_SECONDS)
        ours.send(json.dumps({"imports": self._imports}).encode())
        answer = _receive(ours)
        if "error" in answer:
            raise SandboxError(f"{self._python}: can't import what the examples need: {answer['error']}")
        self._control = ours

    def __exit__(self, *_: object) -> None:
        """End the interpreter, and an example that may still run."""
        self._control = None
        self._stack.close()

    def run(self, code: str, limits: Limits = DEFAULT_LIMITS) -> Outcome:
        """Run `code` as a script in a fork; as `run_code`, with what was imported already there.

        Raises:
            SandboxError: it can't be contained, or the interpreter is gone.
        """
        if not sys.platform.startswith("linux"):
            return run_code(code, limits, self._python, allow_mere_limits=self._allow_mere_limits)
        with self._turn, private_folder(code) as folder, Pipes() as pipes:
            if self._control is None:
                raise SandboxError("the warm interpreter isn't running; use it as a context manager")
            held = containment(limits, folder, Path(self._python), self._allow_mere_limits)
            message = job(limits, held, folder, [self._home]).encode()
            began = time.monotonic()
            self._control.settimeout(_ANSWER_SECONDS)
            try:
                socket.send_fds(self._control, [message], [pipe.theirs for pipe in pipes.all])
            except OSError as error:
                raise SandboxError(f"the warm interpreter has ended ({error.strerror}); start another") from None
            for pipe in pipes.all:
                pipe.given()
            fork = _Fork(self._control, _receive(self._control)["pid"])
            try:
                return watch(fork, pipes, limits, began)
            finally:
                fork.reap()


class _Fork:
    """A child of the warm interpreter, which reaps it when told."""

    def __init__(self, control: socket.socket, leader: int) -> None:
        self._control = control
        self._leader = leader
        self._code: int | None = None

    def poll(self) -> int | None:
        if self._code is None:
            self._control.settimeout(0)
            with contextlib.suppress(BlockingIOError):
                self._code = _receive(self._control)["exit"]
        return self._code

    def kill(self) -> None:
        kill_group(self._leader)

    def reap(self) -> None:
        """Make sure that it has ended and that its id is free again."""
        self.kill()
        self._control.settimeout(_ANSWER_SECONDS)
        if self._code is None:
            self._code = _receive(self._control)["exit"]
        self._control.send(b"\0")


def _receive(control: socket.socket) -> dict[str, Any]:
    try:
        message = control.recv(MESSAGE_BYTES)
    except TimeoutError:
        raise SandboxError("the warm interpreter doesn't answer; start another") from None
    except ConnectionError:
        message = b""
    if not message:
        raise SandboxError("the warm interpreter has ended; start another")
    answer: dict[str, Any] = json.loads(message)
    return answer
