"""The child's side: started in the interpreter that runs the untrusted code, it gives up its rights and runs it.

    python child.py serve FD   imports what it is told over the socket FD, then forks a child for each job
    python child.py JOB FD     runs the one job itself, and reports to the pipe FD

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
import random
import select
import signal
import socket
import sys
import tempfile
import threading
import traceback
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn


def _beside(name: str) -> Any:
    """A module of this folder, which the untrusted code is not to import from."""
    spec = importlib.util.spec_from_file_location(f"_sandbox_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


confine = _beside("confine")
loopback = _beside("loopback")

CODE = "example.py"
READY = "ready"
KILL = b"kill"
MESSAGE_BYTES = 1 << 16

_REASONS = {
    errno.ENOMEM: "memory",
    errno.ENETDOWN: "network",
    errno.ENETUNREACH: "network",
    errno.EHOSTUNREACH: "network",
    errno.ECONNREFUSED: "network",
    errno.EAGAIN: "processes",
    errno.EFBIG: "output",
    errno.EPERM: "refused",
    errno.EACCES: "refused",
    errno.EROFS: "refused",
}


def run(job: dict[str, Any], rules: int, status: int) -> NoReturn:
    """Contain this process, run the code as `__main__`, and end.

    Writes `ready` to `status` before the code runs, and afterwards the reason where it failed.

    Raises:
        SystemExit: always.
    """
    os.chdir(job["folder"])
    os.environ.update(HOME=job["folder"], PWD=job["folder"], TMPDIR=job["folder"])
    tempfile.tempdir = None
    with open(CODE, "rb", buffering=0) as file:  # noqa: PTH123 (of all modules, a fork has the fewest pages to copy)
        source = file.readall()
    main = types.ModuleType("__main__")
    main.__file__ = CODE
    sys.modules["__main__"] = main
    sys.argv = [CODE]
    linecache.clearcache()
    itself = os.getpid()
    confine.contain(job, rules)
    if job["processes"] == 1:
        sys.addaudithook(refuse_shell)
    os.write(status, READY.encode())
    try:
        program = compile(source, CODE, "exec", dont_inherit=True)
        del source  # a program may hold what the code that it runs is not to find in its callers' variables
        exec(program, main.__dict__)
    except SystemExit:
        raise
    except BaseException as error:
        report(error)
        if os.getpid() == itself:
            os.write(status, f" {reason_of(error, job['folder'])}".encode())
        raise SystemExit(1) from None
    raise SystemExit(0)


def refuse_shell(event: str, _: tuple[object, ...]) -> None:
    """Refuse `os.system` aloud: it tells nobody that its process couldn't be started.

    Raises:
        BlockingIOError: as by every other way to start a process.
    """
    if event == "os.system":
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def report(error: BaseException) -> None:
    """Print the traceback as Python would, without this file's own frame."""
    if isinstance(error, MemoryError):
        # What fills the memory hangs on the frames.
        traceback.clear_frames(error.__traceback__)
    frames = error.__traceback__.tb_next if error.__traceback__ else None
    traceback.print_exception(type(error), error, frames)


def reason_of(error: BaseException, folder: str) -> str:
    """The reason for an uncaught exception: its own, or that of what it was raised from."""
    seen: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in seen and len(seen) < 50:
        if isinstance(current, MemoryError):
            return "memory"
        if isinstance(current, socket.gaierror):
            return "network"
        if isinstance(current, OSError) and (found := reason_of_system(current, folder)):
            return found
        seen.append(current)
        current = current.__cause__ or current.__context__
    return "exception"


def reason_of_system(error: OSError, folder: str) -> str | None:
    """The reason for what the system refused; None where its answer is an ordinary one."""
    if error.errno == errno.EACCES and error.filename is None:
        # Landlock's answer to a file and to a port is the same; only the file has a name.
        return "network"
    if error.errno == errno.ENOENT and isinstance(error.filename, (str, bytes)):
        # Outside, bubblewrap leaves nothing to be found.
        wanted = os.path.realpath(Path(folder, os.fsdecode(error.filename)))
        return None if Path(wanted).is_relative_to(folder) else "refused"
    return _REASONS.get(error.errno or 0)


def serve(control: socket.socket) -> None:
    """Import what the first message names, then run one job after another, each in a fork; ends with its parent.

    The first message also tells what Landlock grants (`landlock`, its version; `writable`; `readable`) and whether
    there is an HTTP fixture (`http`): its listening sockets go back with the answer. A job comes with three descriptors
    (standard output, standard error, status), and is answered by its exit code once nothing of it runs any more; until
    then KILL ends it.
    """
    wanted = json.loads(control.recv(MESSAGE_BYTES))
    listeners = loopback.listen() if wanted["http"] else ()
    ports = [listener.getsockname()[1] for listener in listeners]
    rules = -1
    try:
        for name in wanted["imports"]:
            importlib.import_module(name)
        if wanted["landlock"]:
            readable = [*confine.readable_roots(), *wanted["readable"]]
            rules = confine.ruleset(wanted["landlock"], wanted["writable"], readable, ports)
    except BaseException as error:
        control.send(json.dumps({"error": f"{type(error).__name__}: {error}"[:1000]}).encode())
        return
    if ports:
        loopback.redirect(ports)
    gc.collect()
    generators = [found for found in gc.get_objects() if isinstance(found, random.Random)]
    gc.freeze()
    socket.send_fds(control, [json.dumps({"ready": True}).encode()], [listener.fileno() for listener in listeners])
    for listener in listeners:
        listener.close()
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, MESSAGE_BYTES, 3)
        if not message:
            return
        if message == KILL:
            # It crossed the answer.
            continue
        # What is done here needn't be done in the fork, where each page that is touched is copied first.
        job = json.loads(message)
        seed(generators)
        child = os.fork()
        if child == 0:
            control.close()
            os.setpgid(0, 0)
            os.dup2(descriptors[0], 1)
            os.dup2(descriptors[1], 2)
            os.close(descriptors[0])
            os.close(descriptors[1])
            run_and_leave(job, rules, descriptors[2])
        for descriptor in descriptors:
            os.close(descriptor)
        # On both sides, so that it leads its group before either goes on.
        with contextlib.suppress(OSError):
            os.setpgid(child, child)
        code = attend(control, child)
        if code is None:
            return
        control.send(json.dumps({"exit": code}).encode())


def seed(generators: Sequence[random.Random]) -> None:
    """Seed the generators that the imports made anew, or every fork would draw the same "random" numbers."""
    for generator in generators:
        generator.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()


def attend(control: socket.socket, child: int) -> int | None:
    """Wait for the child's end, or bring it about, and end what it left; None where the parent went away instead."""
    ended = os.pidfd_open(child)
    heard = True
    try:
        while True:
            readable, _, _ = select.select([control.fileno(), ended] if heard else [ended], [], [])
            if ended in readable:
                break
            heard = bool(control.recv(MESSAGE_BYTES))
            os.killpg(child, signal.SIGKILL)
    finally:
        os.close(ended)
    result = os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert result is not None
    # Not reaped yet: the group's id is still its own.
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return exit_code(result) if heard else None


def exit_code(result: os.waitid_result) -> int:
    """What `os.waitid` found, as subprocess tells it: the exit code, or the signal's number negated."""
    return result.si_status if result.si_code == os.CLD_EXITED else -result.si_status


def run_and_leave(job: dict[str, Any], rules: int, status: int) -> NoReturn:
    """Run the code and end as an interpreter does, but without taking all that was imported apart: that is most of the
    time of a short example. multiprocessing ends its forks so, too.
    """
    code: object = 1
    try:
        run(job, rules, status)
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


def run_alone(job: dict[str, Any], status: int) -> NoReturn:
    """Run one job in this very process.

    Raises:
        SystemExit: always.
    """
    rules = -1
    if job["landlock"]:
        rules = confine.ruleset(job["landlock"], job["folder"], confine.readable_roots())
    run(job, rules, status)


if __name__ == "__main__":
    if not getattr(sys.flags, "safe_path", False):
        # Before 3.11 this file's folder stands first.
        del sys.path[0]
    if sys.argv[1] == "serve":
        serve(socket.socket(fileno=int(sys.argv[2])))
    else:
        run_alone(json.loads(sys.argv[1]), int(sys.argv[2]))
