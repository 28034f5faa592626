"""The trainer's part of the settings: which recipe, and what a project changes in it."""

from __future__ import annotations

from pydantic import Field

from bundle.settings import SettingsPart


class TrainerSettings(SettingsPart):
    """How the base model is trained."""

    recipe: str = "smollm2-135m-cpu"
    """A recipe that ships with Boffin, by name, or the path of your own recipe file."""
    max_steps: int | None = Field(default=None, ge=1)
    """Stop after so many optimiser steps, instead of where the recipe stops."""
    time_budget: float | None = Field(default=None, gt=0)
    """Stop after so many seconds of training, instead of where the recipe stops."""
    seed: int | None = Field(default=None, ge=0)
    """Seed of the records' order and of the adapter's first values, instead of the recipe's."""
