"""Checkpoints: what a run that was stopped or killed goes on from.

transformers writes them: adapter, optimiser, scheduler, random states and position in the data, in place, into one
folder a step. Here each gets a last file when everything else is on the disk, so that one that was cut short is never
taken for whole. Knows nothing about what is trained.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate import PartialState
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from bundle.atomic import sync_folder, write_json
from trainer.budget import Budget

SEAL = "complete.json"
"""A checkpoint's last file; `seconds` is how much training it took, over all attempts."""
_PREFIX = "checkpoint-"


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint."""

    folder: Path
    step: int
    """Optimiser steps done."""
    seconds: float
    """Training time used for them."""


def latest_checkpoint(folder: Path, before: int) -> Checkpoint | None:
    """The last whole checkpoint in `folder` from before step `before`, or None.

    One from the last step would be of no use: transformers takes at least one step more.
    """
    found = [_read(path) for path in folder.glob(f"{_PREFIX}*")]
    return max(
        (checkpoint for checkpoint in found if checkpoint and checkpoint.step < before),
        key=lambda checkpoint: checkpoint.step,
        default=None,
    )


def remove_others(folder: Path, kept: Checkpoint | None) -> None:
    """Remove what a kill left half written, and whatever comes after the checkpoint that the run goes on from."""
    for path in folder.glob(f"{_PREFIX}*"):
        found = _read(path)
        if found is None or kept is None or found.step > kept.step:
            shutil.rmtree(path)


def _read(path: Path) -> Checkpoint | None:
    try:
        seconds = float(json.loads((path / SEAL).read_bytes())["seconds"])
        return Checkpoint(path, int(path.name.removeprefix(_PREFIX)), seconds)
    except (OSError, ValueError, KeyError):
        return None


class Sealing(TrainerCallback):
    """Seals each checkpoint once it is whole on the disk."""

    def __init__(self, budget: Budget) -> None:
        """`budget` knows the training time."""
        self._budget = budget

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Leave out the checkpoint after the last step, since the adapter itself is about to be written."""
        if state.global_step >= state.max_steps and not args.load_best_model_at_end:
            control.should_save = False
        return control

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Wait for what other processes write, flush everything, and write the seal."""
        PartialState().wait_for_everyone()
        if not state.is_world_process_zero:
            return
        folder = Path(args.output_dir) / f"{_PREFIX}{state.global_step}"
        for file in folder.rglob("*"):
            if file.is_file():
                with file.open("rb") as handle:
                    os.fsync(handle.fileno())
        sync_folder(folder)
        write_json(folder / SEAL, {"seconds": self._budget.elapsed})
