"""The filter of system calls: what untrusted code has no business asking the kernel for.

Compiled here with libseccomp, installed inside the child by confine.py. It allows what it doesn't name: files are
Landlock's business, amounts are the resource limits'. Knows nothing about processes or files.
"""

from __future__ import annotations

import errno
import functools
import tempfile

from sandbox.outcome import SandboxError

NETWORK = ("bind", "listen")
"""Answered with ENETDOWN. A socket pair stays allowed: asyncio is built on one, and it reaches nobody."""
CLIENTS = ("socket", "connect", "accept", "accept4")
"""Likewise, unless TCP is granted; then `socket` makes nothing but TCP sockets over IPv4 and IPv6."""

_OTHER_PROCESSES = "ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd perf_event_open"
_KERNEL = (
    "bpf syslog userfaultfd io_uring_setup io_uring_enter io_uring_register keyctl add_key request_key init_module "
    "finit_module delete_module kexec_load kexec_file_load reboot acct quotactl iopl ioperm swapon swapoff sethostname "
    "setdomainname vhangup personality lookup_dcookie settimeofday clock_settime clock_adjtime adjtimex"
)
_MOUNTS = (
    "mount umount2 move_mount fsopen fsconfig fsmount fspick open_tree mount_setattr pivot_root chroot unshare setns "
    "fanotify_init open_by_handle_at name_to_handle_at"
)
_OUT_OF_THE_GROUP_THAT_IS_KILLED = "setsid setpgid"
_MEMORY_BEYOND_ITS_LIMIT = "shmget semget msgget mq_open memfd_create memfd_secret"
_CHANGES_THAT_LANDLOCK_MISSES = (
    "truncate chmod fchmod fchmodat fchmodat2 chown lchown fchown fchownat utime utimes futimesat utimensat "
    "setxattr lsetxattr fsetxattr setxattrat removexattr lremovexattr fremovexattr removexattrat"
)
FORBIDDEN = tuple(
    f"{_OTHER_PROCESSES} {_KERNEL} {_MOUNTS} {_OUT_OF_THE_GROUP_THAT_IS_KILLED} {_MEMORY_BEYOND_ITS_LIMIT} "
    f"{_CHANGES_THAT_LANDLOCK_MISSES}".split()
)
"""Answered with EPERM."""

ABSENT = ("clone3", "openat2")
"""Answered with ENOSYS: their flags lie in memory, out of a filter's sight, and the C library falls back."""

SIGNALS = ("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal")
"""Forbidden where Landlock doesn't keep signals inside."""

_CLONE_THREAD = 0x00010000
_CLONE_NAMESPACES = (0x00000080, 0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)
_O_TRUNC, _O_ACCMODE = 0o1000, 0o3
_SOCKET_TYPE, _STREAM, _INET, _INET6, _TCP = 0xF, 1, 2, 10, 6
_FAST_OPEN = 0x20000000
_SENDERS = {"sendto": 3, "sendmsg": 2, "sendmmsg": 3}
"""Which argument of what sends carries the flags."""


@functools.cache
def program(forks: bool, signals: bool, tcp: bool) -> bytes:
    """The compiled filter, an array of `struct sock_filter` for this machine's architecture.

    Args:
        forks: whether the code may start processes.
        signals: whether it may send signals (which Landlock must then keep inside).
        tcp: whether it may connect (to what Landlock or a network namespace must then bound) and accept.

    Raises:
        SandboxError: pyseccomp or libseccomp isn't installed.
    """
    try:
        import pyseccomp
    except (ImportError, RuntimeError) as error:
        raise SandboxError(
            f"the sandbox has no filter of system calls ({error}); install pyseccomp and libseccomp (libseccomp2)"
        ) from None
    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)

    def deny(names: tuple[str, ...], answer: int, *arguments: object) -> None:
        for name in names:
            # A name that this libseccomp doesn't know is -1; one that this architecture lacks is another negative.
            if pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name) >= 0:
                rules.add_rule(pyseccomp.ERRNO(answer), name, *arguments)

    def masked(position: int, mask: int, value: int) -> object:
        return pyseccomp.Arg(position, pyseccomp.MASKED_EQ, mask, value)

    deny(NETWORK, errno.ENETDOWN)
    deny(FORBIDDEN, errno.EPERM)
    deny(ABSENT, errno.ENOSYS)
    if not signals:
        deny(SIGNALS, errno.EPERM)
    for kind in range(_SOCKET_TYPE + 1):
        if kind != _STREAM:
            deny(("socketpair", "socket") if tcp else ("socketpair",), errno.ENETDOWN, masked(1, _SOCKET_TYPE, kind))
    if tcp:
        # A filter can't say "neither this nor that" of one argument. Numbers above int's range count as above.
        for family in {*range(_INET6)} - {_INET}:
            deny(("socket",), errno.ENETDOWN, pyseccomp.Arg(0, pyseccomp.EQ, family))
        deny(("socket",), errno.ENETDOWN, pyseccomp.Arg(0, pyseccomp.GT, _INET6))
        # Landlock knows TCP alone, and doesn't see a connection that is opened by sending.
        for protocol in range(1, _TCP):
            deny(("socket",), errno.ENETDOWN, pyseccomp.Arg(2, pyseccomp.EQ, protocol))
        deny(("socket",), errno.ENETDOWN, pyseccomp.Arg(2, pyseccomp.GT, _TCP))
        for name, position in _SENDERS.items():
            deny((name,), errno.ENETDOWN, masked(position, _FAST_OPEN, _FAST_OPEN))
    else:
        deny(CLIENTS, errno.ENETDOWN)
    # Opening for reading and truncating at once slips through Landlock before its third version.
    deny(("open",), errno.EPERM, masked(1, _O_TRUNC | _O_ACCMODE, _O_TRUNC))
    deny(("openat",), errno.EPERM, masked(2, _O_TRUNC | _O_ACCMODE, _O_TRUNC))
    if forks:
        for flag in _CLONE_NAMESPACES:
            deny(("clone",), errno.EPERM, masked(0, flag, flag))
    else:
        deny(("fork", "vfork"), errno.EAGAIN)
        deny(("clone",), errno.EAGAIN, masked(0, _CLONE_THREAD, 0))
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()
