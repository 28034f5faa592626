"""The sandbox: untrusted Python in; its exit, its output and the reason it ended out.

`run_code` runs a piece of code in a fresh interpreter, `Warm` forks one that has its imports done, `Pool` keeps several
of those at work; `HttpFixture` is the one server that code may be allowed to reach; `explain` says what holds here.
Knows nothing about datasets, models or questions.
"""

from sandbox.containment import explain
from sandbox.fixture import HttpFixture
from sandbox.outcome import InterpreterGone, Limits, Outcome, Reason, SandboxError
from sandbox.pool import Pool
from sandbox.run import run_code
from sandbox.warm import Warm

__all__ = [
    "HttpFixture",
    "InterpreterGone",
    "Limits",
    "Outcome",
    "Pool",
    "Reason",
    "SandboxError",
    "Warm",
    "explain",
    "run_code",
]
