"""Takes rights away from the process that calls it: what is granted stays granted for good, for its children too.

Works on the standard library alone, because it runs inside whichever interpreter runs the untrusted code: resource
limits, an unused user id where it runs as root, Landlock (by system call) and a seccomp filter that somebody else
compiled. Knows nothing about the code that is run, nor about who waits for it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import struct
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

THREADS = 64
"""Threads that are granted beyond the processes."""
_FIRST_UNUSED_ID = 1 << 30
_NOBODY = 65534

# linux/landlock.h, linux/prctl.h, linux/capability.h
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1
_PATH_BENEATH = 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_TCP, _SCOPES = 0b11, 0b11
_SET_DEATH_SIGNAL, _KEEP_CAPABILITIES, _SET_SECCOMP, _NO_NEW_PRIVILEGES = 1, 8, 22, 38
_SIGKILL = 9
_READ_ANY_FILE = 1 << 2
_CAPABILITY_VERSION = 0x20080522

_SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin")
_SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/localtime", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu")
_DEVICES = ("/dev/zero", "/dev/random", "/dev/urandom")

_libc = ctypes.CDLL(None, use_errno=True)


def landlock_abi() -> int:
    """The version of Landlock that the kernel offers; 0 for none."""
    if not sys.platform.startswith("linux"):
        return 0
    return max(0, int(_libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)))


def limit(seconds: float, memory_bytes: int, file_bytes: int) -> None:
    """Bounds that every Unix knows; the time is processor time, as a last resort behind the caller's clock."""
    cpu = int(seconds) + 2
    limits = [
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_NOFILE, 256),
        (resource.RLIMIT_CORE, 0),
    ]
    for what, bound in limits:
        try:
            _lower(what, bound)
        except (OSError, ValueError):
            # macOS knows the name of this limit and doesn't keep it.
            if sys.platform != "darwin" or what != resource.RLIMIT_AS:
                raise


def _lower(what: int, bound: int) -> None:
    """Set a limit for good, never above the one that is there."""
    _, hard = resource.getrlimit(what)
    bound = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
    resource.setrlimit(what, (bound, bound))


def leave_root(folder: str, processes: int) -> bool:
    """Where this process is root: become a user id that nobody has, with no right but to read what root reads.

    The kernel never counts root's processes, so root can't be bound. Returns whether the id is this process's alone.

    Raises:
        OSError: the id can't be changed (a container without that right) though several processes were asked for.
    """
    if os.geteuid() != 0 or not sys.platform.startswith("linux"):
        return False
    alone = False
    for user in (_FIRST_UNUSED_ID + os.getpid(), _NOBODY):
        try:
            os.chown(folder, user, user)
            os.setgroups([])
            os.setresgid(user, user, user)
            _prctl(_KEEP_CAPABILITIES, 1)
            os.setresuid(user, user, user)
        except OSError:
            if user == _NOBODY and processes > 1:
                raise
            continue
        alone = user != _NOBODY
        break
    _keep_capabilities(_READ_ANY_FILE)
    return alone


def _keep_capabilities(wanted: int) -> None:
    header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
    data = ctypes.create_string_buffer(24)
    _checked(_libc.capget(header, data), "capget")
    kept = struct.unpack("=6I", data.raw)[1] & wanted
    _checked(_libc.capset(header, struct.pack("=6I", kept, kept, 0, 0, 0, 0)), "capset")


def limit_processes(processes: int, alone: bool) -> None:
    """Bound the processes and threads of this user id; `alone` says that no other process has it."""
    present = 0 if alone else _tasks_of(os.getuid())
    _lower(resource.RLIMIT_NPROC, present + processes + THREADS)


def _tasks_of(user: int) -> int:
    tasks = 0
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            # It may have ended meanwhile.
            with contextlib.suppress(OSError):
                if process.stat().st_uid == user:
                    tasks += sum(1 for _ in (process / "task").iterdir())
    return tasks


def readable_roots() -> list[str]:
    """What this interpreter needs to go on importing: itself, its packages, the system's libraries."""
    roots = {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix, str(Path(sys.executable).resolve())}
    roots.update(sysconfig.get_paths().values())
    roots.update(path for path in sys.path if Path(path).is_absolute())
    roots.update((*_SYSTEM, *_SYSTEM_FILES))
    # A prefix of "/" would open the whole machine.
    return sorted(path for path in roots if str(Path(path).resolve()) != "/")


def landlock(abi: int, writable: str, readable: Iterable[str]) -> None:
    """Files: only `writable` can be changed, only it and `readable` can be read or executed. No TCP, no signals out.

    The method is the kernel's (Documentation/userspace-api/landlock.rst).

    Raises:
        OSError: the kernel refuses.
    """
    files = (1 << (13 + (abi >= 2) + (abi >= 3))) - 1 | (_IOCTL_DEV if abi >= 5 else 0)
    attribute = struct.pack("=Q", files)
    if abi >= 4:
        attribute += struct.pack("=Q", _TCP)
    if abi >= 6:
        attribute += struct.pack("=Q", _SCOPES)
    ruleset = _checked(_libc.syscall(_CREATE_RULESET, attribute, ctypes.c_size_t(len(attribute)), 0), "Landlock")
    try:
        for path in readable:
            _allow(ruleset, path, files & (_EXECUTE | _READ_FILE | _READ_DIR))
        for path in _DEVICES:
            _allow(ruleset, path, _READ_FILE)
        _allow(ruleset, "/dev/null", files & (_READ_FILE | _WRITE_FILE | _TRUNCATE))
        _allow(ruleset, writable, files & ~_IOCTL_DEV)
        _prctl(_NO_NEW_PRIVILEGES, 1)
        _checked(_libc.syscall(_RESTRICT_SELF, ruleset, 0), "Landlock")
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        rule = struct.pack("=Qi", rights if Path(path).is_dir() else rights & _OF_FILES, handle)
        _checked(_libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0), f"Landlock for {path}")
    finally:
        os.close(handle)


def seccomp(program: bytes) -> None:
    """Install a compiled filter of system calls (an array of `struct sock_filter`).

    Raises:
        OSError: the kernel refuses.
    """
    instructions = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(instructions))
    _prctl(_NO_NEW_PRIVILEGES, 1)
    _checked(_libc.prctl(_SET_SECCOMP, ctypes.c_ulong(2), header, 0, 0), "seccomp")


def die_with_parent() -> None:
    """The kernel kills this process when its parent ends; changing the user id undoes it, so call it afterwards."""
    parent = os.getppid()
    _prctl(_SET_DEATH_SIGNAL, _SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _prctl(option: int, value: int) -> None:
    zero = ctypes.c_ulong(0)
    _checked(_libc.prctl(option, ctypes.c_ulong(value), zero, zero, zero), f"prctl {option}")


def _checked(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result
