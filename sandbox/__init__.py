"""The sandbox: untrusted Python in; its exit, its output and the reason it ended out.

`run_code` runs a piece of code in a fresh interpreter, `Warm` forks one that has its imports done. Knows nothing about
datasets, models or questions.
"""

from sandbox.outcome import Limits, Outcome, Reason, SandboxError
from sandbox.run import run_code
from sandbox.warm import Warm

__all__ = ["Limits", "Outcome", "Reason", "SandboxError", "Warm", "run_code"]
