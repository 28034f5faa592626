"""What a run on preferences took and gave, as measured: `summary.json`, and the lines that a person reads.

Knows nothing about how it was trained.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from bundle.atomic import write_json
from bundle.stage import StageResult
from trainer.preference_recipe import PreferenceRecipe


@dataclass(frozen=True)
class PreferenceSummary:
    """A finished run."""

    device: str
    dtype: str
    """Number format of the base model."""
    steps: int
    """Optimiser steps, over all attempts."""
    went_on_from: int | None
    """The step of the checkpoint that the last attempt began with, if any."""
    stopped_by: str
    """`steps` or `time`."""
    pairs_available: int
    """Pairs to train on."""
    pairs_seen: int
    pairs_held_out: int
    """Pairs to measure on."""
    pairs_leaked: int
    """Verdicts on held-out questions, which were left out."""
    pairs_same: int
    """Pairs with the same answer twice, which were left out."""
    pairs_too_long: int
    tokens_seen: int
    seconds: float
    """Training time, over all attempts."""
    peak_memory_mb: int
    trained_parameters: int
    trained_share: float
    """Trained parameters as a share of all."""
    loss_first: float | None
    """Training loss of the first logged step, of a pair."""
    loss_last: float | None
    held_out_loss_before: float
    held_out_loss_after: float
    reward_margin_before: float
    """By how much the preferred answer's reward is above the other's, a mean over the held-out pairs; the reward is
    beta x the logarithm of how much likelier the answer is than it was for the adapter that the run began with."""
    reward_margin_after: float
    reward_accuracy_after: float
    """Share of the held-out pairs whose preferred answer has the higher reward; before training all are ties."""

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        values = asdict(self)
        write_json(path, {name: round(one, 5) if isinstance(one, float) else one for name, one in values.items()})

    def result(self, recipe: PreferenceRecipe, notes: list[str]) -> StageResult:
        """The stage's summary; `notes` tell what was left out."""
        margin = f"{self.reward_margin_before:.3f} → {self.reward_margin_after:.3f}"
        better = round(self.reward_accuracy_after * self.pairs_held_out)
        speed = f"{self.tokens_seen / self.seconds:,.0f} a second"
        went_on = [] if self.went_on_from is None else [f"went on from the checkpoint of step {self.went_on_from}"]
        return StageResult(
            came_in=f"{self.pairs_available:,} pairs, {recipe.description}",
            went_out=f"the adapter, bent to preferences: {self.steps} steps, {self.pairs_seen:,} pairs",
            notes=(
                f"held-out reward margin {margin}; the preferred answer is ahead in {better:,} of "
                f"{self.pairs_held_out:,} pairs",
                f"{self.tokens_seen:,} tokens, {speed}, peak memory {self.peak_memory_mb:,} MB",
                *went_on,
                *notes,
            ),
        )
