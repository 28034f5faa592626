"""Which containment holds on this machine: Landlock and seccomp on Linux, sandbox-exec on a Mac.

Starts nothing and reads no code. The Mac's part was written from its documentation and has never been run.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from sandbox import syscalls
from sandbox.confine import landlock_abi
from sandbox.outcome import Limits, SandboxError

_SIGNALS_STAY_INSIDE = 6
"""The first version of Landlock that keeps signals inside."""

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
    """What holds the code."""

    landlock: int
    """Landlock's version; 0 without it."""
    filter: bytes
    """The compiled filter of system calls; empty without one."""
    wrapper: tuple[str, ...] = ()
    """What is put before the interpreter's command line."""


def containment(limits: Limits, folder: Path, python: Path, allow_mere_limits: bool) -> Containment:
    """The containment for one run of `python` that may write in `folder`.

    Raises:
        SandboxError: none holds here, and mere limits aren't allowed.
    """
    try:
        if sys.platform == "darwin":
            return _mac(limits, folder, python)
        return _linux(limits)
    except SandboxError as error:
        if allow_mere_limits:
            return Containment(0, b"")
        raise SandboxError(f"{error}; or allow mere limits, for code that you trust") from None


def _linux(limits: Limits) -> Containment:
    abi = landlock_abi()
    if not abi:
        raise SandboxError(
            "the kernel has no Landlock (or a container's seccomp profile hides it); use Linux 5.13 or later"
        )
    return Containment(abi, syscalls.program(limits.processes > 1, abi >= _SIGNALS_STAY_INSIDE))


def _mac(limits: Limits, folder: Path, python: Path) -> Containment:
    command = shutil.which("sandbox-exec")
    if not command:
        raise SandboxError("this Mac has no sandbox-exec")
    paths = {
        "PREFIX": python.absolute().parent.parent,
        "BASE_PREFIX": python.resolve().parent.parent,
        "ROOM": Path(__file__).resolve().parent,
        "FOLDER": folder.resolve(),
    }
    profile = _MAC_PROFILE + (_MAC_NO_FORKS if limits.processes == 1 else "")
    definitions = [part for key, path in paths.items() for part in ("-D", f"{key}={path}")]
    return Containment(0, b"", (command, *definitions, "-p", profile))
