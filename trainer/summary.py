"""What a training run took and gave, as measured: `summary.json`, and the lines that a person reads.

Knows nothing about how it was trained.
"""

from __future__ import annotations

import resource
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from bundle.atomic import write_json
from bundle.stage import StageResult
from trainer.recipe import Recipe


@dataclass(frozen=True)
class Summary:
    """A finished run."""

    device: str
    dtype: str
    """Number format of the base model."""
    processes: int
    """Processes that trained together."""
    steps: int
    """Optimiser steps, over all attempts."""
    went_on_from: int | None
    """The step of the checkpoint that the last attempt began with, if any."""
    stopped_by: str
    """`steps`, `time` or `held-out loss`."""
    records_available: int
    records_seen: int
    records_new: int | None
    """Where training went on from an adapter: how many of the available records were new to it, the others replayed."""
    records_too_long: int
    tokens_seen: int
    seconds: float
    """Training time, over all attempts."""
    peak_memory_mb: int
    trained_parameters: int
    trained_share: float
    """Trained parameters as a share of all."""
    loss_first: float | None
    """Training loss of the first logged step, in nats a token."""
    loss_last: float | None
    held_out_records: int
    held_out_loss_before: float | None
    held_out_loss_after: float | None

    @property
    def tokens_per_second(self) -> float:
        """Over the whole run."""
        return self.tokens_seen / self.seconds

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        values = {name: round(value, 5) if isinstance(value, float) else value for name, value in asdict(self).items()}
        write_json(path, values | {"tokens_per_second": round(self.tokens_per_second, 1)})

    def result(self, recipe: Recipe) -> StageResult:
        """The stage's summary."""
        speed = f"{self.tokens_per_second:,.0f} a second"
        notes = [f"{self.tokens_seen:,} tokens, {speed}, peak memory {self.peak_memory_mb:,} MB"]
        if self.went_on_from is not None:
            notes.append(f"went on from the checkpoint of step {self.went_on_from}")
        if self.records_too_long:
            limit = recipe.sequence_length
            notes.append(f"{self.records_too_long} records are longer than {limit} tokens and were left out")
        if self.held_out_loss_before is not None and self.held_out_loss_after is not None:
            change = f"{self.held_out_loss_before:.3f} → {self.held_out_loss_after:.3f}"
            notes.append(f"held-out loss {change} on {self.held_out_records} records")
        came_in, went_on = f"{self.records_available:,} records", ""
        if self.records_new is not None:
            replayed = self.records_available - self.records_new
            came_in = f"{self.records_new:,} new records and {replayed:,} old ones"
            went_on = ", gone on from the one before"
        parameters = f"{self.trained_parameters:,} parameters ({self.trained_share:.2%})"
        return StageResult(
            came_in=f"{came_in}, {recipe.description}",
            went_out=f"an adapter of {parameters}: {self.steps} steps, {self.records_seen:,} records{went_on}",
            notes=tuple(notes),
        )


def peak_memory_mb(device: str) -> int:
    """Peak memory of this process, or of its card where one was used, in megabytes."""
    if device == "cuda":
        return round(torch.cuda.max_memory_allocated() / 1e6)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / 1e6 if sys.platform == "darwin" else peak / 1e3)
