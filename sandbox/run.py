"""Runs a piece of untrusted Python once, in a fresh interpreter, contained.

    outcome = run_code("print(6 * 7)", Limits(seconds=5))

The child gets an empty environment, a private folder as its working, home and temporary folder, and nothing on
standard input. Linux: Landlock, seccomp and resource limits; macOS: sandbox-exec and resource limits (never run yet).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from sandbox import child as child_script
from sandbox.containment import Containment, containment
from sandbox.folder import private_folder
from sandbox.outcome import DEFAULT_LIMITS, Limits, Outcome, SandboxError
from sandbox.watch import Pipes, kill_group, watch

SCRIPT = Path(child_script.__file__)


def run_code(
    code: str, limits: Limits = DEFAULT_LIMITS, python: str = sys.executable, *, allow_mere_limits: bool = False
) -> Outcome:
    """Run `code` as a script and say how it ended.

    Args:
        code: Python source; hostile is fine.
        limits: what it may use.
        python: the interpreter that runs it, 3.9 or later, with the packages that it may import.
        allow_mere_limits: where nothing contains code on this machine, run it under resource limits alone.

    Raises:
        SandboxError: it can't be contained here, or the interpreter can't be started. Nothing ran.
    """
    with private_folder(code) as folder, Pipes() as pipes:
        held = containment(limits, folder, Path(python), allow_mere_limits)
        status = pipes.status.theirs
        began = time.monotonic()
        arguments = [job(limits, held, folder), str(status)]
        with start(
            python, arguments, folder, [status], pipes.stdout.theirs, pipes.stderr.theirs, held.wrapper
        ) as child:
            for pipe in pipes.all:
                pipe.given()
            started = _Started(child)
            try:
                return watch(started, pipes, limits, began)
            finally:
                started.kill()


def start(
    python: str,
    arguments: Sequence[str],
    folder: Path,
    descriptors: Sequence[int],
    stdout: int = subprocess.DEVNULL,
    stderr: int = subprocess.DEVNULL,
    wrapper: Sequence[str] = (),
) -> subprocess.Popen[bytes]:
    """Start the child's side in an interpreter of its own process group, with an empty environment.

    Raises:
        SandboxError: there is no such interpreter.
    """
    found = shutil.which(python)
    if not found:
        raise SandboxError(f"{python}: no such program; name another Python interpreter")
    # Isolated: no variables, no user packages, no working folder on the module path. Not resolved: an environment's
    # interpreter is a link.
    command = [*wrapper, str(Path(found).absolute()), "-I", "-X", "utf8", str(SCRIPT), *arguments]
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            pass_fds=descriptors,
            cwd=folder,
            env=_environment(str(folder)),
            start_new_session=True,
        )
    except OSError as error:
        raise SandboxError(f"{python}: can't be started ({error.strerror}); name another Python interpreter") from None


def _environment(home: str) -> dict[str, str]:
    """The whole environment of a child; one thread a numeric library, since each thread's stack counts as memory."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": home, "TMPDIR": home, "MPLBACKEND": "Agg", **threads}


def job(limits: Limits, held: Containment, folder: Path, readable: Sequence[Path] = ()) -> str:
    """What the child's side needs to know, as JSON."""
    return json.dumps(
        {
            **asdict(limits),
            "folder": str(folder),
            "readable": [str(path) for path in readable],
            "landlock": held.landlock,
            "filter": held.filter.hex(),
        }
    )


class _Started:
    """A child of this process; it is reaped only by `subprocess`, so that its id stays its own until then."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def poll(self) -> int | None:
        if not hasattr(os, "waitid"):
            return self._process.poll()
        result = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        return None if result is None else child_script.exit_code(result)

    def kill(self) -> None:
        kill_group(self._process.pid)
