"""The HTTP fixture: a real httpbin on loopback, under its real names, for code that needs a server to talk to.

    with HttpFixture() as http:
        run_code("import requests; print(requests.get('https://httpbin.org/get').status_code)", http=http)

One contained process answers for any number of interpreters. Each of these makes its own listening sockets, in its own
network namespace where bubblewrap works, and the fixture answers on them; the code reaches nothing else. Without
bubblewrap it is Landlock that lets through the two ports and seccomp that lets through nothing but TCP; Landlock knows
ports, not addresses, so the code could reach these two (random) ports of another machine as well. Certificates come
from an authority that is made anew each time and trusted by the code's environment alone. Linux only; needs httpbin
and trustme where this runs, not in the interpreter of the code.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sandbox import bubblewrap
from sandbox.containment import containment, found
from sandbox.folder import private_folder
from sandbox.interpreter import job, kill, start
from sandbox.outcome import Limits, SandboxError

_NEEDS = ("httpbin", "trustme")
_SCRIPT = Path(__file__).with_name("httpbin_server.py")
_START_SECONDS = 60.0
_END_SECONDS = 10.0
_MESSAGE_BYTES = 1 << 16
_FILES = 4096
_LIMITS = Limits(seconds=10 * 365 * 86400, memory_bytes=4 * 2**30)
"""The clock isn't watched; of the processor a fixture may use what it gets."""


class HttpFixture:
    """Runs httpbin while it is entered; several interpreters and threads may use it at once."""

    def __init__(self, *, allow_mere_limits: bool = False) -> None:
        self._allow_mere_limits = allow_mere_limits
        self._stack = contextlib.ExitStack()
        self._control: socket.socket | None = None
        self._authority = ""

    def __enter__(self) -> HttpFixture:
        """Start it.

        Raises:
            SandboxError: this isn't Linux, httpbin or trustme is missing, or it can't be started or contained.
        """
        if not sys.platform.startswith("linux"):
            raise SandboxError("the HTTP fixture needs Linux: elsewhere no wall lets through it alone")
        for name in _NEEDS:
            if importlib.util.find_spec(name) is None:
                raise SandboxError(f"the HTTP fixture needs {name}; install boffin[curation]")
        with contextlib.ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def _start(self, stack: contextlib.ExitStack) -> None:
        python = found(sys.executable)
        held = containment(str(python), True, self._allow_mere_limits)
        home = stack.enter_context(private_folder())
        folder = home / "run"
        folder.mkdir()
        wrapper = bubblewrap.command(str(python), home, folder) if held.bubblewrap else ()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        stack.enter_context(ours)
        with theirs:
            arguments = [job(_LIMITS, held, folder, tcp=True, files=_FILES), str(theirs.fileno())]
            process = start(python, _SCRIPT, arguments, folder, [theirs.fileno()], wrapper=wrapper)
        stack.callback(_end, process, ours)
        ours.settimeout(_START_SECONDS)
        try:
            answer = json.loads(ours.recv(_MESSAGE_BYTES) or "{}")
        except (OSError, ValueError):
            answer = {}
        if "authority" not in answer:
            raise SandboxError(f"the HTTP fixture doesn't start: {answer.get('error', 'it ended without a word')}")
        self._authority = answer["authority"]
        self._control = ours

    def __exit__(self, *_: object) -> None:
        """End it; what still waits for an answer gets none."""
        self._control = None
        self._stack.close()

    def certificate(self, folder: Path) -> Path:
        """Write the authority's certificate into `folder` and return its path."""
        path = folder / "authority.pem"
        path.write_text(self._authority, encoding="ascii")
        return path

    @contextmanager
    def serving(self, listeners: Sequence[int]) -> Iterator[None]:
        """Answer on two listening sockets, the first for HTTP, the second for HTTPS; takes them over.

        Raises:
            SandboxError: the fixture isn't running.
        """
        lifeline, theirs = os.pipe()
        try:
            if self._control is None:
                raise SandboxError("the HTTP fixture isn't running; use it as a context manager")
            socket.send_fds(self._control, [b"serve"], [*listeners, lifeline])
        except OSError as error:
            os.close(theirs)
            raise SandboxError(f"the HTTP fixture has ended ({error.strerror}); start another") from None
        except SandboxError:
            os.close(theirs)
            raise
        finally:
            for descriptor in (*listeners, lifeline):
                os.close(descriptor)
        try:
            yield
        finally:
            os.close(theirs)


def _end(process: subprocess.Popen[bytes], control: socket.socket) -> None:
    control.close()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        kill(process)
        process.wait()
