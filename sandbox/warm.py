"""A warm interpreter: it has imported what examples need, and forks a contained child for each of them.

    with Warm(imports=["numpy", "pandas"]) as warm:
        outcome = warm.run("import pandas; print(pandas.Series([1, 2]).sum())")

The interpreter itself runs nothing untrusted. Where bubblewrap works, it and its forks live in namespaces of their own.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sandbox import bubblewrap
from sandbox import child as child_script
from sandbox.apart import run_apart
from sandbox.containment import Containment, containment, found
from sandbox.fixture import HttpFixture
from sandbox.folder import example_folder, private_folder
from sandbox.interpreter import job, kill, start
from sandbox.outcome import DEFAULT_LIMITS, InterpreterGone, Limits, Outcome, SandboxError
from sandbox.watch import Pipes, watch

_START_SECONDS = 120.0
_SEND_SECONDS = 20.0
_NOT_RUNNING = "the warm interpreter isn't running; use it as a context manager"
_SCRIPT = Path(child_script.__file__)


class Warm:
    """Runs one example after another; threads take turns. Use several (`Pool`) for several processors.

    On a Mac, where forking after imports isn't safe, each example gets a fresh interpreter.
    """

    def __init__(
        self,
        imports: Sequence[str] = (),
        python: str = sys.executable,
        *,
        http: HttpFixture | None = None,
        allow_mere_limits: bool = False,
    ) -> None:
        """Say what to start.

        Args:
            imports: modules that are imported before the first example.
            python: the interpreter, 3.9 or later, with the packages that examples may import.
            http: the started fixture that examples may reach; they reach nothing else, and without it nothing at all.
            allow_mere_limits: where nothing contains code on this machine, run it under resource limits alone.
        """
        self._imports = list(imports)
        self._python = python
        self._http = http
        self._allow_mere_limits = allow_mere_limits
        self._turn = threading.Lock()
        self._stack = contextlib.ExitStack()
        self._held: Containment | None = None
        self._control: socket.socket | None = None
        self._writable = Path()

    @property
    def walls(self) -> str:
        """What contains the examples, for a person: "bubblewrap + Landlock + seccomp"."""
        return self._held.name if self._held else "not started"

    def __enter__(self) -> Warm:
        """Start the interpreter.

        Raises:
            SandboxError: it can't be started or contained here, or an import fails.
        """
        python = found(self._python)
        self._held = containment(str(python), self._http is not None, self._allow_mere_limits)
        if sys.platform.startswith("linux"):
            with contextlib.ExitStack() as stack:
                self._control = self._start(stack, python, self._held)
                self._stack = stack.pop_all()
        return self

    def _start(self, stack: contextlib.ExitStack, python: Path, held: Containment) -> socket.socket:
        home = stack.enter_context(private_folder())
        self._writable = home / "run"
        self._writable.mkdir(mode=0o711)
        certificates = self._http.certificate(home) if self._http else None
        wrapper = bubblewrap.command(str(python), home, self._writable) if held.bubblewrap else ()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        stack.enter_context(ours)
        with theirs:
            arguments = ["serve", str(theirs.fileno())]
            inherited = [theirs.fileno()]
            process = start(
                python, _SCRIPT, arguments, self._writable, inherited, wrapper=wrapper, certificates=certificates
            )
        stack.callback(_end, process, ours)
        ours.settimeout(_START_SECONDS)
        wanted = {
            "imports": self._imports,
            "landlock": held.landlock,
            "writable": str(self._writable),
            "readable": [str(certificates)] if certificates else [],
            "http": self._http is not None,
        }
        ours.send(json.dumps(wanted).encode())
        answer, listeners = _receive(ours, 2)
        if "error" in answer:
            raise SandboxError(f"{python}: can't import what the examples need: {answer['error']}")
        if self._http:
            stack.enter_context(self._http.serving(listeners))
        return ours

    def __exit__(self, *_: object) -> None:
        """End the interpreter, and an example that may still run."""
        self._control = None
        self._stack.close()

    def run(self, code: str, limits: Limits = DEFAULT_LIMITS) -> Outcome:
        """Run `code` as a script in a fork; as `run_code`, with what was imported already there.

        Raises:
            InterpreterGone: the interpreter has ended; start another.
            SandboxError: the code can't be contained.
        """
        if self._held is None:
            raise InterpreterGone(_NOT_RUNNING)
        if not sys.platform.startswith("linux"):
            return run_apart(code, limits, found(self._python), self._held)
        with self._turn:
            if self._control is None:
                raise InterpreterGone(_NOT_RUNNING)
            with example_folder(self._writable, code) as folder, Pipes() as pipes:
                message = job(limits, self._held, folder, tcp=self._http is not None).encode()
                began = time.monotonic()
                self._control.settimeout(_SEND_SECONDS)
                try:
                    socket.send_fds(self._control, [message], [pipe.theirs for pipe in pipes.all])
                except OSError as error:
                    raise InterpreterGone(f"the warm interpreter has ended ({error.strerror}); start another") from None
                for pipe in pipes.all:
                    pipe.given()
                fork = _Fork(self._control)
                try:
                    return watch(fork, pipes, limits, began)
                finally:
                    fork.kill()
                    if not fork.over:
                        # Its answer would be taken for the next one's.
                        self._control = None


class _Fork:
    """The child that the warm interpreter has just forked, and reaps when it ends."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self.ended = control.fileno()
        self._code: int | None = None

    def poll(self) -> int | None:
        if self._code is None:
            self._control.settimeout(0)
            with contextlib.suppress(BlockingIOError):
                self._code = _receive(self._control)[0]["exit"]
        return self._code

    @property
    def over(self) -> bool:
        return self._code is not None

    def kill(self) -> None:
        if not self.over:
            with contextlib.suppress(OSError):
                self._control.send(child_script.KILL)


def _end(process: subprocess.Popen[bytes], control: socket.socket) -> None:
    """End the interpreter: without its socket it goes by itself, and takes what it forked along."""
    control.close()
    try:
        process.wait(_SEND_SECONDS)
    except subprocess.TimeoutExpired:
        kill(process)
        process.wait()


def _receive(control: socket.socket, descriptors: int = 0) -> tuple[dict[str, Any], list[int]]:
    try:
        message, received, _, _ = socket.recv_fds(control, child_script.MESSAGE_BYTES, descriptors)
    except TimeoutError:
        raise InterpreterGone("the warm interpreter doesn't answer; start another") from None
    except ConnectionError:
        message, received = b"", []
    if not message:
        raise InterpreterGone("the warm interpreter has ended; start another")
    return json.loads(message), received
