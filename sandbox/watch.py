"""Watches a child: reads what it writes, ends it when it exceeds a limit, and names the reason.

Knows nothing about how the child was started or contained.
"""

from __future__ import annotations

import os
import selectors
import signal
import time
from typing import Protocol, cast

from sandbox.outcome import REASONS, InterpreterGone, Limits, Outcome, Reason, SandboxError

_POLL = 0.01
"""Seconds between two looks at whether a child has ended that can't be waited for beside its output."""
_LETTING_GO = 2.0
"""Seconds that a killed child's output is waited for."""
_ENDING = 20.0
"""Seconds that a killed child's end is waited for: on a busy machine it may take its time to give its memory back."""
_STATUS_BYTES = 64


class Child(Protocol):
    """A running child."""

    @property
    def ended(self) -> int | None:
        """A descriptor that can be read from when it has ended; None where there is none."""

    def poll(self) -> int | None:
        """Its exit code (a signal's number negated), or None while it runs. It doesn't block."""

    def kill(self) -> None:
        """End it and all of its process group."""


class Pipe:
    """A pipe from the child: the end that is read here, and the end that the child gets."""

    def __init__(self) -> None:
        self.ours, self.theirs = os.pipe()
        os.set_blocking(self.ours, False)
        self.data = bytearray()

    def given(self) -> None:
        """Close the child's end here; the child has its own."""
        if self.theirs >= 0:
            os.close(self.theirs)
            self.theirs = -1

    def close(self) -> None:
        """Close what is still open."""
        self.given()
        os.close(self.ours)


class Pipes:
    """A child's standard output, standard error and status; a context manager."""

    def __init__(self) -> None:
        self.stdout, self.stderr, self.status = self.all = (Pipe(), Pipe(), Pipe())

    def __enter__(self) -> Pipes:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in self.all:
            pipe.close()


def watch(child: Child, pipes: Pipes, limits: Limits, began: float) -> Outcome:
    """Wait for the child's end, or bring it about.

    Args:
        child: the child; when this returns, all of its process group has ended or been killed.
        pipes: its pipes, whose far ends are closed here already.
        limits: of these, the seconds and the output are kept here.
        began: when it was started, by `time.monotonic`.

    Raises:
        SandboxError: the containment couldn't be put in place; nothing untrusted ran.
    """
    stopped = _read(child, pipes, limits, began + limits.seconds)
    child.kill()
    code = _wait(child)
    seconds = time.monotonic() - began
    _drain(pipes, limits.output_bytes)
    if not stopped and _written(pipes) > limits.output_bytes:
        stopped = "output"
    told = pipes.status.data.decode("ascii", "replace")
    written = pipes.stderr.data.decode("utf-8", "replace")
    if not told.startswith("ready") and not stopped:  # what follows may be the code's own, which can find the pipe
        last = written.strip().splitlines()[-1:] or [f"it ended with {code}"]
        raise SandboxError(f"the code can't be contained by this interpreter: {last[0][:300]}")
    stdout, stderr = _cut(pipes, limits.output_bytes)
    return Outcome(stopped or _reason(code, told.removeprefix("ready").strip()), code, stdout, stderr, seconds)


def _read(child: Child, pipes: Pipes, limits: Limits, deadline: float) -> Reason | None:
    """Read until the child ends, or return the limit that it exceeded."""
    with selectors.DefaultSelector() as selector:
        for pipe in pipes.all:
            selector.register(pipe.ours, selectors.EVENT_READ, pipe)
        if child.ended is not None:
            selector.register(child.ended, selectors.EVENT_READ)
        while child.poll() is None:
            left = deadline - time.monotonic()
            if left <= 0:
                return "timeout"
            for key, _ in selector.select(left if child.ended is not None else min(left, _POLL)):
                if key.data and not _take(key.data):
                    selector.unregister(key.fileobj)
            if len(pipes.status.data) > _STATUS_BYTES:
                return "killed"
            if _written(pipes) > limits.output_bytes:
                return "output"
    return None


def _written(pipes: Pipes) -> int:
    return len(pipes.stdout.data) + len(pipes.stderr.data)


def _take(pipe: Pipe) -> bool:
    """Read what is there; False at the end of the pipe."""
    try:
        part = os.read(pipe.ours, 1 << 16)
    except BlockingIOError:
        return True
    pipe.data += part
    return bool(part)


def _drain(pipes: Pipes, most: int) -> None:
    """Read what is left until everybody who was killed has let go of the pipes, or it is too much anyway."""
    deadline = time.monotonic() + _LETTING_GO
    with selectors.DefaultSelector() as selector:
        for pipe in pipes.all:
            selector.register(pipe.ours, selectors.EVENT_READ, pipe)
        while selector.get_map() and _written(pipes) <= most and (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                if not _take(key.data):
                    selector.unregister(key.fileobj)


def _wait(child: Child) -> int:
    """The exit code of a child that has ended or was just killed."""
    deadline = time.monotonic() + _ENDING
    with selectors.DefaultSelector() as selector:
        if child.ended is not None:
            selector.register(child.ended, selectors.EVENT_READ)
        while (code := child.poll()) is None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise InterpreterGone("a killed child doesn't end; it hangs in the kernel, look at the system's log")
            selector.select(left if child.ended is not None else _POLL)
    return code


def _reason(code: int, failed: str) -> Reason:
    if code == 0:
        return "ok"
    if code == -signal.SIGXCPU:
        return "timeout"
    if code < 0:
        return "killed"
    return cast(Reason, failed) if failed in REASONS and failed != "ok" else "exception"


def _cut(pipes: Pipes, most: int) -> tuple[str, str]:
    """Both outputs within the limit; where they exceed it together, standard error keeps at least half of it."""
    stdout, stderr = pipes.stdout.data, pipes.stderr.data
    if len(stdout) + len(stderr) > most:
        stderr = stderr[-max(most // 2, most - len(stdout)) :]
        stdout = stdout[: most - len(stderr)]
    return stdout.decode("utf-8", "replace"), stderr.decode("utf-8", "replace")
