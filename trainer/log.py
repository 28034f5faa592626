"""The training log: a JSON line an entry in `training.jsonl`, progress meanwhile, an end where the loss isn't finite.

Knows nothing about what is trained.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from bundle.errors import RecipeError
from bundle.stage import Progress
from trainer.budget import Budget


class TrainingLog(TrainerCallback):
    """Writes the log, tells the progress, and stops the run when its budget is used up."""

    def __init__(self, path: Path, budget: Budget, progress: Progress) -> None:
        """`path` is the log file; lines are flushed as they come, so that a killed run's log can be read."""
        self._handle = path.open("w", encoding="utf-8")
        self._budget = budget
        self._progress = progress
        self.losses: list[float] = []
        """Training loss of each logged step."""
        self.stopped_by = "steps"
        """`steps` or `time`."""

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Begin to count the time."""
        self._budget.start()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Stop after the step in which the time is used up."""
        if self._budget.used(state.global_step) >= 1 and state.global_step < self._budget.max_steps:
            self.stopped_by = "time"
            control.should_training_stop = True
        return control

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Write one line; a loss that isn't finite ends the run."""
        if not logs or "loss" not in logs:
            return
        loss = float(logs["loss"])
        if not math.isfinite(loss):
            raise RecipeError(
                f"the loss is {loss} at step {state.global_step}; lower learning_rate, or train in float32 or bfloat16"
            )
        self.losses.append(loss)
        entry = {
            "step": state.global_step,
            "loss": round(loss, 5),
            "learning_rate": logs.get("learning_rate"),
            "seconds": round(self._budget.elapsed, 2),
            "tokens": state.num_input_tokens_seen,
        }
        self._handle.write(json.dumps(entry) + "\n")
        self._handle.flush()
        used = self._budget.used(state.global_step)
        if self._budget.seconds and used > state.global_step / self._budget.max_steps:
            self._progress("training", self._budget.elapsed, self._budget.seconds, f"s, loss {loss:.3f}")
        else:
            self._progress("training", state.global_step, self._budget.max_steps, f"steps, loss {loss:.3f}")

    def close(self) -> None:
        """Close the log file."""
        self._handle.close()
