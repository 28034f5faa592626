"""Runs a piece of untrusted Python once, in a fresh interpreter, contained.

    outcome = run_code("print(6 * 7)", Limits(seconds=5))

The code gets an environment that says nothing of this one, a private folder as its working, home and temporary folder,
and nothing on standard input. Linux: bubblewrap where it works, Landlock, seccomp and resource limits; macOS:
sandbox-exec and resource limits (never run yet). The same code ends the same way here and in a warm interpreter.
"""

from __future__ import annotations

import sys

from sandbox.fixture import HttpFixture
from sandbox.outcome import DEFAULT_LIMITS, Limits, Outcome
from sandbox.warm import Warm


def run_code(
    code: str,
    limits: Limits = DEFAULT_LIMITS,
    python: str = sys.executable,
    *,
    http: HttpFixture | None = None,
    allow_mere_limits: bool = False,
) -> Outcome:
    """Run `code` as a script and say how it ended.

    Args:
        code: Python source; hostile is fine.
        limits: what it may use.
        python: the interpreter that runs it, 3.9 or later, with the packages that it may import.
        http: the started fixture that it may reach; nothing else, and without it nothing at all.
        allow_mere_limits: where nothing contains code on this machine, run it under resource limits alone.

    Raises:
        SandboxError: it can't be contained here, or the interpreter can't be started. Nothing ran.
    """
    with Warm((), python, http=http, allow_mere_limits=allow_mere_limits) as fresh:
        return fresh.run(code, limits)
