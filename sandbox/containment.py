"""Which walls hold on this machine: bubblewrap, Landlock and seccomp on Linux, sandbox-exec on a Mac.

Runs no untrusted code. The Mac's part was written from its documentation and has never been run.
"""

from __future__ import annotations

import secrets
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from sandbox import bubblewrap, syscalls
from sandbox.confine import landlock_abi
from sandbox.outcome import Limits, SandboxError

_SIGNALS_STAY_INSIDE = 6
"""The first version of Landlock that keeps signals inside."""
_KNOWS_PORTS = 4
"""The first version of Landlock that knows TCP ports."""
_FIRST_UNUSED_ID = 1 << 30

_MAC_PROFILE = """(version 1)
(allow default)
(deny network*)
(deny appleevent-send)
(deny signal (target others))
(deny file-write*)
(deny file-read-data (subpath "/Users") (subpath "/Volumes") (subpath "/private/var/folders") (subpath "/private/tmp"))
(allow file-read-data (subpath (param "PREFIX")) (subpath (param "BASE_PREFIX")) (subpath (param "ROOM")))
(allow file-read-data file-write* (subpath (param "FOLDER")))
(allow file-write-data (literal "/dev/null"))
"""
_MAC_NO_FORKS = "(deny process-fork)\n"


@dataclass(frozen=True)
class Containment:
    """What holds the code that one interpreter runs."""

    name: str
    """The walls, for a person: "bubblewrap + Landlock + seccomp"."""
    bubblewrap: bool = False
    """Whether the interpreter lives in namespaces of its own."""
    landlock: int = 0
    """Landlock's version; 0 without it."""
    seccomp: bool = False
    """Whether system calls are filtered."""
    sandbox_exec: bool = False
    """Whether a Mac's own sandbox holds it."""
    note: str = ""
    """Why a wall is missing; empty where none is."""

    def filter(self, limits: Limits, tcp: bool) -> bytes:
        """The compiled filter of system calls; empty without one.

        Raises:
            SandboxError: pyseccomp or libseccomp isn't installed.
        """
        if not self.seccomp:
            return b""
        return syscalls.program(limits.processes > 1, self.landlock >= _SIGNALS_STAY_INSIDE, tcp)


def containment(python: str, http: bool, allow_mere_limits: bool) -> Containment:
    """The walls for code that `python` runs.

    Args:
        python: the interpreter, an absolute path.
        http: whether the code is to reach the HTTP fixture, and it alone.
        allow_mere_limits: settle for resource limits where there are no walls.

    Raises:
        SandboxError: no wall holds here, and mere limits aren't allowed.
    """
    try:
        if sys.platform == "darwin":
            return _mac()
        return _linux(python, http)
    except SandboxError as error:
        if allow_mere_limits:
            return Containment("limits alone", note=str(error))
        raise SandboxError(f"{error}; or allow mere limits, for code that you trust") from None


def explain(python: str = sys.executable, *, http: bool = False) -> str:
    """The walls that hold here in one line, and why one is missing.

    Raises:
        SandboxError: none holds.
    """
    held = containment(str(found(python)), http, False)
    return f"{held.name} ({held.note})" if held.note else held.name


def found(python: str) -> Path:
    """The interpreter's absolute path; not resolved, since an environment's interpreter is a link.

    Raises:
        SandboxError: there is no such program.
    """
    path = shutil.which(python)
    if not path:
        raise SandboxError(f"{python}: no such program; name another Python interpreter")
    return Path(path).absolute()


def unused_id() -> int:
    """A user id that nobody has, not twice in practice."""
    return _FIRST_UNUSED_ID + secrets.randbelow(_FIRST_UNUSED_ID)


def _linux(python: str, http: bool) -> Containment:
    syscalls.program(False, False, http)
    missing = bubblewrap.failure(python)
    abi = landlock_abi()
    walls = [*([] if missing else ["bubblewrap"]), *(["Landlock"] if abi else []), "seccomp"]
    if missing and not abi:
        raise SandboxError(
            "the kernel has no Landlock (Linux 5.13 or later has, unless a container's seccomp profile hides it), and "
            f"{missing}"
        )
    if missing and http and abi < _KNOWS_PORTS:
        raise SandboxError(
            f"this kernel's Landlock can't grant one port (Linux 6.7 or later can), for the HTTP fixture, and {missing}"
        )
    note = missing or ("" if abi else "the kernel has no Landlock")
    return Containment(" + ".join(walls), bubblewrap=not missing, landlock=abi, seccomp=True, note=note)


def _mac() -> Containment:
    if not shutil.which("sandbox-exec"):
        raise SandboxError("this Mac has no sandbox-exec")
    return Containment("sandbox-exec", sandbox_exec=True)


def mac_wrapper(limits: Limits, folder: Path, python: Path) -> list[str]:
    """What is put before an interpreter's command line on a Mac, for code that may write in `folder`."""
    paths = {
        "PREFIX": python.absolute().parent.parent,
        "BASE_PREFIX": python.resolve().parent.parent,
        "ROOM": Path(__file__).resolve().parent,
        "FOLDER": folder.resolve(),
    }
    profile = _MAC_PROFILE + (_MAC_NO_FORKS if limits.processes == 1 else "")
    definitions = [part for key, path in paths.items() for part in ("-D", f"{key}={path}")]
    return ["sandbox-exec", *definitions, "-p", profile]
