"""Takes rights away from the process that calls it: what is taken is gone for good, for its children too.

Works on the standard library alone, because it runs inside whichever interpreter runs the untrusted code: resource
limits, an unused user id where it runs as root, Landlock (by system call) and a seccomp filter that somebody else
compiled. Knows nothing about the code that is run, about who waits for it, or about the namespaces it may run in.
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
from typing import Any

THREADS = 64
"""Threads that are granted beyond the processes."""
_NOBODY = 65534
_UNSEEN = 4096
"""Other processes of this user that are reckoned with where there is no /proc to count them in."""

# linux/landlock.h, linux/prctl.h, linux/capability.h
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1
_PATH_BENEATH, _NET_PORT = 1, 2
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_TCP, _CONNECT_TCP, _SCOPES = 0b11, 0b10, 0b11
_SET_DEATH_SIGNAL, _KEEP_CAPABILITIES, _SET_SECCOMP, _NO_NEW_PRIVILEGES = 1, 8, 22, 38
_SIGKILL = 9
_OPEN_ANY_FILE, _READ_ANY_FILE = 1 << 1, 1 << 2
_CAPABILITY_VERSION = 0x20080522

_SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin")
_SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/localtime", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu")
_DEVICE_RIGHTS = {
    "/dev/null": _READ_FILE | _WRITE_FILE | _TRUNCATE,
    "/dev/zero": _READ_FILE,
    "/dev/random": _READ_FILE,
    "/dev/urandom": _READ_FILE,
}
DEVICES = tuple(_DEVICE_RIGHTS)

_libc = ctypes.CDLL(None, use_errno=True)


def contain(job: dict[str, Any], rules: int) -> None:
    """Give up every right that the code isn't to have.

    Args:
        job: `folder`, `seconds`, `memory_bytes`, `file_bytes`, `files` and `processes`; on Linux also `filter` (hex),
            `user` (an id that nobody has) and `alone` (this user's processes outside aren't counted against it).
        rules: a descriptor from `ruleset`; -1 for none.

    Raises:
        OSError: a part of the containment can't be had; nothing untrusted has run yet.
    """
    limit(job["seconds"], job["memory_bytes"], job["file_bytes"], job["files"])
    if not sys.platform.startswith("linux"):
        return
    alone = leave_root(job["folder"], job["user"], job["processes"], rules >= 0) or job["alone"]
    limit_processes(job["processes"], alone)
    die_with_parent()
    if rules >= 0:
        _prctl(_NO_NEW_PRIVILEGES, 1)
        _checked(_libc.syscall(_RESTRICT_SELF, rules, 0), "Landlock")
        os.close(rules)
    if job["filter"]:
        seccomp(bytes.fromhex(job["filter"]))


def landlock_abi() -> int:
    """The version of Landlock that the kernel offers; 0 for none."""
    if not sys.platform.startswith("linux"):
        return 0
    return max(0, int(_libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)))


def limit(seconds: float, memory_bytes: int, file_bytes: int, files: int) -> None:
    """Bounds that every Unix knows; the time is processor time, as a last resort behind the caller's clock."""
    cpu = int(seconds) + 2
    limits = [
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_NOFILE, files),
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


def leave_root(folder: str, unused: int, processes: int, landlock: bool) -> bool:
    """Where this process is root: become a user id that nobody has, with no right but to read what root reads.

    The kernel never counts root's processes, so root can't be bound. Containers often lack that one right and have the
    one to open any file, which is as good where Landlock then bounds it. Returns whether the id is its alone.

    Raises:
        OSError: the id can't be changed (a container without that right) though several processes were asked for.
    """
    if os.geteuid() != 0 or not sys.platform.startswith("linux"):
        return False
    alone = False
    for user in (unused, _NOBODY):
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
    _keep_capability(_READ_ANY_FILE, _OPEN_ANY_FILE if landlock else 0)
    return alone


def _keep_capability(wanted: int, otherwise: int) -> None:
    header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
    data = ctypes.create_string_buffer(24)
    _checked(_libc.capget(header, data), "capget")
    permitted = struct.unpack("=6I", data.raw)[1]
    kept = permitted & wanted or permitted & otherwise
    _checked(_libc.capset(header, struct.pack("=6I", kept, kept, 0, 0, 0, 0)), "capset")


def limit_processes(processes: int, alone: bool) -> None:
    """Bound the processes and threads of this user id; `alone` says that no other process has it."""
    present = 0 if alone else _tasks_of(os.getuid())
    _lower(resource.RLIMIT_NPROC, present + processes + THREADS)


def _tasks_of(user: int) -> int:
    if not Path("/proc/self").exists():
        return _UNSEEN
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


def ruleset(abi: int, writable: str, readable: Iterable[str], ports: Iterable[int] = ()) -> int:
    """Landlock's rules as a descriptor that any number of forks may put on.

    Files: only beneath `writable` can be changed, only it and `readable` can be read or executed. No signals out
    (sixth version). TCP only to `ports`, none by default (fourth version); Landlock knows ports, not addresses.
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
    rules = _checked(_libc.syscall(_CREATE_RULESET, attribute, ctypes.c_size_t(len(attribute)), 0), "Landlock")
    for path in readable:
        _allow(rules, path, files & (_EXECUTE | _READ_FILE | _READ_DIR))
    for path in DEVICES:
        _allow(rules, path, files & _DEVICE_RIGHTS[path])
    _allow(rules, writable, files & ~_IOCTL_DEV)
    for port in ports:
        rule = struct.pack("=QQ", _CONNECT_TCP, port)
        _checked(_libc.syscall(_ADD_RULE, rules, _NET_PORT, rule, 0), f"Landlock for port {port}")
    return rules


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    try:
        rule = struct.pack("=Qi", rights if Path(path).is_dir() else rights & _OF_FILES, handle)
        _checked(_libc.syscall(_ADD_RULE, rules, _PATH_BENEATH, rule, 0), f"Landlock for {path}")
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
