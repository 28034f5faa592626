"""What goes into the sandbox beside the code, and what comes out of it.

Errors:

    SandboxError        this machine or this interpreter can't contain the code
      InterpreterGone   a warm interpreter has ended: start another
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Reason = Literal["ok", "exception", "timeout", "memory", "output", "processes", "network", "refused", "killed"]
"""Why the code ended.

`ok` exit code 0 · `exception` another exit code, as after an uncaught exception · `timeout` out of time · `memory` out
of memory · `output` more output, or a larger file, than allowed · `processes` ended by the refusal of another process ·
`network` ended by the refusal of a connection or of a name · `refused` ended by another refusal, such as a file
outside · `killed` ended by a signal, such as a crash in native code.
"""

REASONS: tuple[str, ...] = get_args(Reason)


class SandboxError(Exception):
    """The code can't be contained here; one line that says what is missing and what to do."""


class InterpreterGone(SandboxError):
    """The warm interpreter has ended (the system may have needed its memory); another can be started."""


@dataclass(frozen=True)
class Limits:
    """What the code may use."""

    seconds: float = 10.0
    """Wall-clock time of the code, its imports included."""
    memory_bytes: int = 2 * 2**30
    """Address space of each process, the interpreter and its libraries included."""
    output_bytes: int = 256 * 1024
    """Standard output and standard error together."""
    processes: int = 1
    """Processes at once, the first included; 1 forbids starting any. A bound, not a quota: threads count too, and
    a few dozen of them are always allowed. Where neither bubblewrap nor root is at hand, the kernel counts by user:
    code that starts as many as it can may keep others, at work for the same user, from starting theirs."""
    file_bytes: int = 64 * 2**20
    """Size of each file that is written."""

    def __post_init__(self) -> None:
        for name in ("seconds", "memory_bytes", "output_bytes", "processes", "file_bytes"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be more than 0")


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Outcome:
    """How the code ended, and what it wrote."""

    reason: Reason
    """Why it ended. The code can lie about how it failed, never about time or output."""
    exit_code: int
    """The exit code; the signal's number, negated, where a signal ended it."""
    stdout: str
    """Standard output, cut at the limit; bytes that aren't UTF-8 are replaced."""
    stderr: str
    """Standard error likewise, with the traceback of an uncaught exception."""
    seconds: float
    """Wall-clock time that it took."""
