"""The time budget: the learning rate falls with the share of the budget that is used up, and training stops at its end.

Without a budget the share is that of the steps. Knows nothing about models or records.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Literal


@dataclass
class Budget:
    """How much of a run is used up, by steps or by time, whichever is further."""

    max_steps: int
    seconds: float | None = None
    warmup_steps: int = 0
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    spent: float = 0.0
    """Seconds that earlier attempts took, where the run goes on from a checkpoint of theirs."""
    _began: float | None = field(default=None, repr=False)

    def start(self) -> None:
        """Begin to count the time, unless it has begun."""
        if self._began is None:
            self._began = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds of training until now, those of earlier attempts included."""
        return self.spent + (0.0 if self._began is None else time.monotonic() - self._began)

    def seconds_left(self, step: int) -> float:
        """Estimate of the seconds from `step` to the end of the run, at the rate until now."""
        used = self.used(step)
        return self.elapsed * (1 - used) / used if used else 0.0

    def used(self, step: int) -> float:
        """The share of the budget that is used up after `step` optimiser steps, from 0 to 1."""
        by_steps = step / self.max_steps
        by_time = self.elapsed / self.seconds if self.seconds else 0.0
        return min(1.0, max(by_steps, by_time))

    def rate(self, step: int) -> float:
        """The factor of the peak learning rate for the step after `step`."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        left = 1.0 - self.used(step)
        if self.schedule == "constant":
            return 1.0
        if self.schedule == "cosine":
            return 0.5 * (1.0 - math.cos(math.pi * left))
        return left
