"""Starts an interpreter on a script of this room, with an environment of its own; and tells it what to contain.

Knows nothing about what the interpreter is asked to do.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from sandbox import bubblewrap
from sandbox.containment import Containment, unused_id
from sandbox.outcome import Limits, SandboxError

FILES = 256
"""Files that an example may have open."""
_NUMERIC_LIBRARIES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def start(
    python: Path,
    script: Path,
    arguments: Sequence[str],
    folder: Path,
    descriptors: Sequence[int],
    *,
    wrapper: Sequence[str] = (),
    certificates: Path | None = None,
    stdout: int = subprocess.DEVNULL,
    stderr: int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Start `python script arguments` in a session of its own.

    Args:
        python: the interpreter, an absolute path.
        script: what it runs.
        arguments: the script's.
        folder: its working, home and temporary folder.
        descriptors: what it inherits beside its outputs.
        wrapper: what is put before its command line.
        certificates: a file of the authorities that it trusts over TLS, in place of the system's.
        stdout: a descriptor for its standard output.
        stderr: likewise.

    Raises:
        SandboxError: it can't be started.
    """
    # No user packages; what else Python takes from its environment is set here.
    command = [*wrapper, str(python), "-s", str(script), *arguments]
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            pass_fds=descriptors,
            cwd=folder,
            env=_environment(str(folder), certificates),
            start_new_session=True,
        )
    except OSError as error:
        raise SandboxError(f"{python}: can't be started ({error.strerror}); name another Python interpreter") from None


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a started interpreter and its whole group; only before it is waited for, while its id is its own."""
    # macOS answers EPERM for a group of zombies.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _environment(home: str, certificates: Path | None) -> dict[str, str]:
    """The whole environment. One thread a numeric library, since each thread's stack counts as memory; one order of
    sets in every run.
    """
    environment = {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": home,
        "TMPDIR": home,
        "MPLBACKEND": "Agg",
        "PYTHONHASHSEED": "0",
        "PYTHONSAFEPATH": "1",
        "PYTHONUTF8": "1",
        **dict.fromkeys(_NUMERIC_LIBRARIES, "1"),
    }
    if certificates:
        environment |= {"REQUESTS_CA_BUNDLE": str(certificates), "SSL_CERT_FILE": str(certificates)}
    return environment


def job(limits: Limits, held: Containment, folder: Path, *, tcp: bool = False, files: int = FILES) -> str:
    """What the child's side needs to know of one run, as JSON.

    Raises:
        SandboxError: the filter of system calls can't be compiled.
    """
    return json.dumps(
        {
            **asdict(limits),
            "files": files,
            "folder": str(folder),
            "landlock": held.landlock,
            "filter": held.filter(limits, tcp).hex(),
            "user": unused_id(),
            "alone": held.bubblewrap and bubblewrap.counts_apart(),
        }
    )
