"""The probe: a few batches before a long run tell its speed, its memory, and what it will take and cost.

They leave nothing behind: the weights, the random numbers and the order of the records are those of a run without it.
The first batch is of the longest records, so that memory runs out here rather than after an hour. Knows nothing about
recipes or checkpoints.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from bundle.stage import announce
from trainer.encoding import IGNORED
from trainer.settings import TrainerSettings
from trainer.sft import BudgetTrainer
from trainer.summary import peak_memory_mb

SHORT = 600.0
"""Seconds; a run with a smaller time budget isn't worth a probe."""
FEW = 100
"""Batches; nor is a run with fewer of them."""
_TIMED = 3
_STATE_BYTES = 8
"""AdamW's two float32 moments of a trained parameter; the probe makes no optimiser step, so they come on top."""


@dataclass(frozen=True)
class Forecast:
    """What the rest of a run will take."""

    steps: int
    tokens_per_second: float
    """Of all processes together."""
    peak_memory_mb: float
    hours: float
    kwh: float | None
    """None where the settings tell no watts."""
    price: float

    def __str__(self) -> str:
        line = (
            f"Forecast: {self.tokens_per_second:,.0f} tokens a second, about {self.peak_memory_mb:,.0f} MB at the "
            f"peak, {self.hours:.1f} hours for {self.steps:,} steps"
        )
        line += "" if self.kwh is None else f", {self.kwh:.2f} kWh"
        return line + (f", price {self.price:.2f}" if self.price else "")


def forecast(
    steps: int, seconds: float, tokens_per_second: float, peak_memory_mb: float, settings: TrainerSettings
) -> Forecast:
    """What `steps` steps that take `seconds` in all will use and cost, at the settings' rates."""
    hours = seconds / 3600
    kwh = None if settings.watts is None else settings.watts * hours / 1000
    price = hours * settings.price_per_hour + (kwh or 0.0) * settings.price_per_kwh
    return Forecast(steps, tokens_per_second, peak_memory_mb, hours, kwh, price)


class Probe(TrainerCallback):
    """Runs the probe when everything is ready for the first step, and announces the forecast."""

    def __init__(self, trainer: BudgetTrainer, settings: TrainerSettings, device: str) -> None:
        """`trainer` is the one that this callback is added to; `device` is `cuda`, `mps` or `cpu`."""
        self._trainer = trainer
        self._settings = settings
        self._device = device

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Probe, unless the run is short; the probe's own time doesn't count as training."""
        budget = self._trainer.budget
        steps = budget.max_steps - state.global_step
        batches = steps * args.gradient_accumulation_steps
        left = math.inf if budget.seconds is None else budget.seconds - budget.spent
        if left < SHORT or batches < FEW:
            return
        seconds, tokens = self._measure(args)
        told = forecast(
            steps,
            min(seconds * batches, left),
            tokens / seconds * args.world_size,
            peak_memory_mb(self._device) + self._state_mb(),
            self._settings,
        )
        if state.is_world_process_zero:
            announce(str(told))

    def _measure(self, args: TrainingArguments) -> tuple[float, float]:
        """Seconds and tokens of a usual batch."""
        trainer = self._trainer
        size = args.per_device_train_batch_size
        lengths = [len(ids) for ids in trainer.train_dataset["input_ids"]]
        longest = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)[:size]
        with torch.random.fork_rng():
            # The trainer makes another one, with the same order, for the run itself.
            usual = list(itertools.islice(trainer._get_train_sampler(), _TIMED * size))
            self._step(longest)
            began = time.perf_counter()
            batches = [usual[at : at + size] for at in range(0, len(usual), size)]
            tokens = sum(self._step(batch) for batch in batches)
            seconds = time.perf_counter() - began
        trainer.model_wrapped.zero_grad(set_to_none=True)
        return seconds / len(batches), tokens / len(batches)

    def _step(self, numbers: Sequence[int]) -> int:
        """Forward and backward of one batch; returns its tokens."""
        trainer = self._trainer
        batch = trainer.data_collator([trainer.train_dataset[number] for number in numbers])
        tokens = batch["attention_mask"].sum() if "attention_mask" in batch else batch["input_ids"].numel()
        trained = (batch["labels"] != IGNORED).sum().to(trainer.args.device)
        trainer.current_gradient_accumulation_steps = 1  # which the training loop sets for each step
        float(trainer.training_step(trainer.model_wrapped, batch, trained))  # waits for the device
        return int(tokens)

    def _state_mb(self) -> float:
        trained = sum(one.numel() for one in self._trainer.model.parameters() if one.requires_grad)
        return trained * _STATE_BYTES / 1e6
