"""The training log: a JSON line an entry in `training.jsonl`, TensorBoard events where it is installed, and progress.

Lines of a step have `step`, `loss` (nats a trained token), `learning_rate`, `gradient_norm` (before clipping), `tokens`
(all until then), `tokens_per_second`, `seconds` and `seconds_left`; lines of an evaluation have `step`,
`held_out_loss` and `seconds`. In preference training both also have `reward_margin` and `reward_accuracy`, and the loss
is that of a pair. Knows nothing about what is trained.
"""

from __future__ import annotations

import json
import math
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from bundle.atomic import atomic_open
from bundle.stage import Progress
from trainer.budget import Budget

LOG = "training.jsonl"
EVENTS = "tensorboard"
_REWARDS = {"rewards/margins": "reward_margin", "rewards/accuracies": "reward_accuracy"}
"""TRL's names of what preference training measures beside the loss, and ours."""


class TrainingLog(TrainerCallback):
    """Writes the log, tells the progress, and stops the run when its time is used up."""

    def __init__(self, folder: Path, budget: Budget, progress: Progress, after: int | None = None) -> None:
        """`folder` gets the log; `after` is the step that the run goes on from: the entries until then are kept."""
        self._path = folder / LOG
        self._events_folder = folder / EVENTS
        self._opened = False
        self._events: Any = None
        self._budget = budget
        self._progress = progress
        self._after = after
        self._tokens, self._seconds = 0, 0.0
        self.entries: list[dict[str, Any]] = [] if after is None else _read(self._path, after)
        """All lines of the log."""
        self.stopped_by = "steps"
        """`steps`, `time` or `held-out loss`."""

    @property
    def losses(self) -> list[tuple[int, float]]:
        """Step and training loss of each logged step."""
        return [(entry["step"], entry["loss"]) for entry in self.entries if "loss" in entry]

    @property
    def held_out(self) -> list[tuple[int, float]]:
        """Step and held-out loss of each evaluation."""
        return [(entry["step"], entry["held_out_loss"]) for entry in self.entries if "held_out_loss" in entry]

    @property
    def margins(self) -> list[tuple[int, float]]:
        """Step and reward margin of each logged step of preference training."""
        return self._margins("loss")

    @property
    def held_out_margins(self) -> list[tuple[int, float]]:
        """Step and held-out reward margin of each evaluation."""
        return self._margins("held_out_loss")

    def _margins(self, beside: str) -> list[tuple[int, float]]:
        return [
            (entry["step"], entry["reward_margin"])
            for entry in self.entries
            if entry.keys() >= {beside, "reward_margin"}
        ]

    def open(self) -> None:
        """Begin the files, or cut them back to the step that the run goes on from; for the main process alone."""
        self._opened = True
        with atomic_open(self._path) as handle:
            handle.writelines(json.dumps(entry) + "\n" for entry in self.entries)
        if find_spec("tensorboard"):
            from torch.utils.tensorboard import SummaryWriter

            self._events = SummaryWriter(str(self._events_folder), purge_step=(self._after or 0) + 1)

    def close(self) -> None:
        """Close the files."""
        if self._events:
            self._events.close()
            self._events = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Take up where the run stands; what comes before the first step (a probe, an evaluation) isn't counted."""
        self._tokens, self._seconds = int(state.num_input_tokens_seen), self._budget.spent

    def on_epoch_begin(
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
        """Write one line."""
        if logs and "eval_loss" in logs:
            self._held_out(state.global_step, logs)
        elif logs and "loss" in logs:
            self._step(state, logs)

    def _held_out(self, step: int, logs: dict[str, float]) -> None:
        if step not in dict(self.held_out):
            entry = {"step": step, "held_out_loss": round(float(logs["eval_loss"]), 5), **_rewards(logs, "eval_")}
            if step == 0:
                entry.pop("reward_accuracy", None)  # nothing has been rewarded yet, so all pairs are ties
            self._write(entry | {"seconds": round(self._budget.elapsed, 2)})

    def _step(self, state: TrainerState, logs: dict[str, float]) -> None:
        step, seconds, tokens = state.global_step, self._budget.elapsed, int(state.num_input_tokens_seen)
        norm = logs.get("grad_norm", math.nan)
        self._write(
            {
                "step": step,
                "loss": round(logs["loss"], 5),
                **_rewards(logs),
                "learning_rate": logs.get("learning_rate"),
                "gradient_norm": round(norm, 5) if math.isfinite(norm) else None,
                "tokens": tokens,
                "tokens_per_second": round((tokens - self._tokens) / (seconds - self._seconds), 1),
                "seconds": round(seconds, 2),
                "seconds_left": round(self._budget.seconds_left(step), 1),
            }
        )
        self._tokens, self._seconds = tokens, seconds
        used = self._budget.used(step)
        said = f"loss {logs['loss']:.3f}"
        if self._budget.seconds and used > step / self._budget.max_steps:
            self._progress("training", seconds, self._budget.seconds, f"s, {said}")
        else:
            self._progress("training", step, self._budget.max_steps, f"steps, {said}")

    def _write(self, entry: dict[str, Any]) -> None:
        self.entries.append(entry)
        if not self._opened:
            return
        with self._path.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(entry) + "\n")
        if self._events:
            for name in entry.keys() - {"step"}:
                if entry[name] is not None:
                    self._events.add_scalar(name, entry[name], entry["step"])
            self._events.flush()


def _rewards(logs: dict[str, float], prefix: str = "") -> dict[str, float]:
    return {name: round(logs[prefix + key], 5) for key, name in _REWARDS.items() if prefix + key in logs}


def _read(path: Path, until: int) -> list[dict[str, Any]]:
    """The entries until a step; a last line that a kill cut short comes after it."""
    entries = []
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                break
            if entry["step"] <= until:
                entries.append(entry)
    return entries
