"""The trainer's part of the settings: which recipe, what a project changes in it, and what its run costs."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from bundle.settings import SettingsPart

_Library = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class Continuing(SettingsPart):
    """How training goes on from an adapter: the last one with `boffin refresh`, or `trainer.adapter`."""

    replay: float = Field(default=0.25, ge=0)
    """Old records that are drawn for each new one and trained on again, against forgetting."""
    epochs: float = Field(default=2.0, gt=0)
    """Passes over the new and the drawn records, or over a specialist's, at most; the recipe's own bounds hold, too."""


class TrainerSettings(SettingsPart):
    """How the base model is trained."""

    recipe: str = "smollm2-135m-cpu"
    """A recipe that ships with Boffin, by name, or the path of your own recipe file."""
    adapter: str = ""
    """Folder of an adapter that training goes on from, relative to boffin.toml; empty: from the base model."""
    specialists: tuple[_Library, ...] = ()
    """Libraries that get an adapter of their own (`stdlib` for the standard library's): training goes on from the
    project's with that library's records alone, and the appliance picks by what it reads; empty: none."""
    preferences: str = ""
    """File of people's votes that the adapter is bent to, relative to boffin.toml; empty: no preference training."""
    preference_recipe: str = ""
    """The recipe for that: a shipped one's name (they end in `-dpo`), or the path of your own recipe file."""
    max_steps: int | None = Field(default=None, ge=1)
    """Stop after so many optimiser steps, instead of where the recipe stops."""
    time_budget: float | None = Field(default=None, gt=0)
    """Stop after so many seconds of training, instead of where the recipe stops."""
    seed: int | None = Field(default=None, ge=0)
    """Seed of the records' order and of the adapter's first values, instead of the recipe's."""
    allow_too_long: float = Field(default=0.05, ge=0, le=1)
    """Share of the records that may be left out because they are longer than the recipe's `sequence_length`."""
    continuing: Continuing = Continuing()
    """How training goes on from an adapter: the last one with `boffin refresh`, or `adapter`."""
    watts: float | None = Field(default=None, gt=0)
    """What the machine draws while it trains, in watts; empty: the forecast of a long run tells no energy."""
    price_per_kwh: float = Field(default=0.0, ge=0)
    """Price of a kilowatt-hour, in your currency; counts only where `watts` is given."""
    price_per_hour: float = Field(default=0.0, ge=0)
    """Price of an hour of the machine, in your currency, where it is rented; 0 for your own."""

    @model_validator(mode="after")
    def _specialists_fit(self) -> Self:
        if self.specialists and self.preferences:
            raise ValueError("specialists can't be trained where preferences are: leave one of the two out")
        return self
