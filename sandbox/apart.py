"""Runs a piece of code in an interpreter that runs nothing else: for systems where forking a warm one isn't safe.

Knows the walls that wrap or restrict a single process: sandbox-exec on a Mac (never run yet), Landlock and seccomp on
Linux, or limits alone.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from sandbox import child as child_script
from sandbox.containment import Containment, mac_wrapper
from sandbox.folder import example_folder, private_folder
from sandbox.interpreter import job, kill, start
from sandbox.outcome import Limits, Outcome
from sandbox.watch import Pipes, watch


def run_apart(code: str, limits: Limits, python: Path, held: Containment) -> Outcome:
    """Run `code` as a script and say how it ended; the interpreter's start counts as its time.

    Raises:
        SandboxError: it can't be contained, or the interpreter can't be started. Nothing ran.
    """
    with private_folder() as home, example_folder(home, code) as folder, Pipes() as pipes:
        status = pipes.status.theirs
        began = time.monotonic()
        process = start(
            python,
            Path(child_script.__file__),
            [job(limits, held, folder), str(status)],
            folder,
            [status],
            wrapper=mac_wrapper(limits, folder, python) if held.sandbox_exec else (),
            stdout=pipes.stdout.theirs,
            stderr=pipes.stderr.theirs,
        )
        with process:
            for pipe in pipes.all:
                pipe.given()
            alone = _Alone(process)
            try:
                return watch(alone, pipes, limits, began)
            finally:
                alone.kill()


class _Alone:
    """A child of this process; it is reaped only by `subprocess`, so that its id stays its own until then."""

    ended = None

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def poll(self) -> int | None:
        if not hasattr(os, "waitid"):
            return self._process.poll()
        result = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        return None if result is None else child_script.exit_code(result)

    def kill(self) -> None:
        kill(self._process)
