"""The child's side: started in the interpreter that runs the untrusted code, it gives up its rights and runs it.

    python -I child.py JOB     runs the code in JOB's folder, once
    python -I child.py serve   imports what it is told, then forks a child that does so for each job

A job is a JSON object: `folder` (private, holds example.py), the limits, the containment. Works on the standard
library alone. Knows nothing about who waits, how long, or what is made of the outcome.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import gc
import importlib
import importlib.util
import json
import linecache
import os
import select
import signal
import socket
import sys
import tempfile
import threading
import traceback
import types
from pathlib import Path
from typing import Any, NoReturn

_BESIDE = importlib.util.spec_from_file_location("confine", Path(__file__).with_name("confine.py"))
assert _BESIDE and _BESIDE.loader
confine = importlib.util.module_from_spec(_BESIDE)
_BESIDE.loader.exec_module(confine)

CODE = "example.py"
READY = "ready"
MESSAGE_BYTES = 1 << 16


def contain(job: dict[str, Any]) -> None:
    """Give up every right that the code isn't to have.

    Raises:
        OSError: a part of the containment can't be had; nothing untrusted has run yet.
    """
    roots = [*confine.readable_roots(), *job["readable"]]
    confine.limit(job["seconds"], job["memory_bytes"], job["file_bytes"])
    if not sys.platform.startswith("linux"):
        return
    alone = confine.leave_root(job["folder"], job["processes"])
    confine.limit_processes(job["processes"], alone)
    confine.die_with_parent()
    if job["landlock"]:
        confine.landlock(job["landlock"], job["folder"], roots)
    if job["filter"]:
        confine.seccomp(bytes.fromhex(job["filter"]))


def run(job: dict[str, Any], status: int) -> NoReturn:
    """Contain this process, run the code as `__main__`, and end.

    Writes `ready` to `status` before the code runs, and afterwards the reason where it failed.

    Raises:
        SystemExit: always.
    """
    os.chdir(job["folder"])
    os.environ.update(HOME=job["folder"], TMPDIR=job["folder"])
    tempfile.tempdir = None
    source = Path(CODE).read_bytes()
    main = types.ModuleType("__main__")
    main.__file__ = CODE
    sys.modules["__main__"] = main
    sys.argv = [CODE]
    if "numpy" in sys.modules:
        # Else every fork would draw the same "random" numbers.
        sys.modules["numpy"].random.seed()
    linecache.clearcache()
    itself = os.getpid()
    contain(job)
    os.write(status, READY.encode())
    try:
        exec(compile(source, CODE, "exec", dont_inherit=True), main.__dict__)
    except SystemExit:
        raise
    except BaseException as error:
        report(error)
        if os.getpid() == itself:
            os.write(status, f" {reason_of(error)}".encode())
        raise SystemExit(1) from None
    raise SystemExit(0)


def report(error: BaseException) -> None:
    """Print the traceback as Python would, without this file's own frame."""
    if isinstance(error, MemoryError):
        # What fills the memory hangs on the frames.
        traceback.clear_frames(error.__traceback__)
    frames = error.__traceback__.tb_next if error.__traceback__ else None
    traceback.print_exception(type(error), error, frames)


def reason_of(error: BaseException) -> str:
    """The reason for an uncaught exception: its own, or that of what it was raised from."""
    seen: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in seen and len(seen) < 50:
        if isinstance(current, MemoryError):
            return "memory"
        if isinstance(current, socket.gaierror):
            return "network"
        if isinstance(current, OSError):
            known = {
                errno.ENOMEM: "memory",
                errno.ENETDOWN: "network",
                errno.EAGAIN: "processes",
                errno.EFBIG: "output",
                errno.EPERM: "refused",
                errno.EACCES: "refused",
            }
            if current.errno in known:
                return known[current.errno]
        seen.append(current)
        current = current.__cause__ or current.__context__
    return "exception"


def serve(control: socket.socket) -> None:
    """Import what the first message names, then run one job after another, each in a fork; ends with its parent.

    A job comes with three descriptors (standard output, standard error, status). The answers are its process id, and
    its exit code once it has ended; it is reaped only when the parent says so, so that the id stays its own till then.
    """
    wanted = json.loads(control.recv(MESSAGE_BYTES))["imports"]
    try:
        for name in wanted:
            importlib.import_module(name)
    except BaseException as error:
        control.send(json.dumps({"error": f"{type(error).__name__}: {error}"[:1000]}).encode())
        return
    gc.collect()
    gc.freeze()
    control.send(json.dumps({"ready": True}).encode())
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, MESSAGE_BYTES, 3)
        if not message:
            return
        child = os.fork()
        if child == 0:
            control.close()
            os.setpgid(0, 0)
            os.dup2(descriptors[0], 1)
            os.dup2(descriptors[1], 2)
            os.close(descriptors[0])
            os.close(descriptors[1])
            run_and_leave(json.loads(message), descriptors[2])
        for descriptor in descriptors:
            os.close(descriptor)
        # On both sides, so that it leads its group before either goes on.
        with contextlib.suppress(OSError):
            os.setpgid(child, child)
        control.send(json.dumps({"pid": child}).encode())
        if not watch(control, child):
            return


def run_and_leave(job: dict[str, Any], status: int) -> NoReturn:
    """Run the code and end as an interpreter does, but without taking all that was imported apart: that is most of the
    time of a short example. multiprocessing ends its forks so, too.
    """
    code: object = 1
    try:
        run(job, status)
    except SystemExit as end:
        code = end.code
        if not (code is None or isinstance(code, int)):
            print(code, file=sys.stderr)
            code = 1
    except BaseException:
        traceback.print_exc()
    with contextlib.suppress(BaseException):
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit((int(code) if isinstance(code, int) else 0) & 0xFF)


def watch(control: socket.socket, child: int) -> bool:
    """Wait for the child and report its end; False where the parent went away instead."""
    ended = os.pidfd_open(child)
    try:
        readable, _, _ = select.select([control.fileno(), ended], [], [])
        if ended not in readable:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return False
        result = os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        assert result is not None
        control.send(json.dumps({"exit": exit_code(result)}).encode())
        parent = bool(control.recv(1))
        os.waitpid(child, 0)
        return parent
    finally:
        os.close(ended)


def exit_code(result: os.waitid_result) -> int:
    """What `os.waitid` found, as subprocess tells it: the exit code, or the signal's number negated."""
    return result.si_status if result.si_code == os.CLD_EXITED else -result.si_status


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(socket.socket(fileno=int(sys.argv[2])))
    else:
        run(json.loads(sys.argv[1]), int(sys.argv[2]))
