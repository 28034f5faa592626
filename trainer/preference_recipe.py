"""Recipes for preference training: how to go on from a trained adapter with pairs of answers, as data.

They lie beside the others in `trainer/recipes/` and say `method = "dpo"`. One that inherits from a recipe for records
takes over what fits the model and the machine, and nothing else. What the adapter is like (its rank, its layers) is not
theirs to say: it is there already. Knows nothing about torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from bundle.errors import RecipeError
from trainer.recipe import DPO, SHIPPED, RunRecipe, read_recipe
from trainer.settings import TrainerSettings

SETTING = "trainer.preference_recipe"


class PreferenceRecipe(RunRecipe):
    """Every value of a run that learns from preferences; a record is a pair of answers there."""

    loss: Literal["sigmoid", "robust", "ipo", "hinge"] = "sigmoid"
    """DPO's own (Rafailov et al. 2023); for false votes (Chowdhury et al. 2024); IPO, of bounded margin; SLiC's."""
    beta: float = Field(default=0.1, gt=0)
    """How dear it is to move away from the adapter that the run begins with; higher stays nearer."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=0.5)
    """With `robust`: the share of votes that are the wrong way round."""
    sft_weight: float = Field(default=0.0, ge=0)
    """Weight of the preferred answer's own loss, lest it get rarer with the other (Pang et al. 2024, who take 1)."""
    learning_rate: float = Field(default=1e-5, gt=0)
    """Peak learning rate: a tenth or less of what the adapter was trained with, for it is only to be bent."""

    @model_validator(mode="after")
    def _what_needs_what(self) -> Self:
        if self.label_smoothing and self.loss != "robust":
            raise ValueError('label_smoothing needs loss = "robust"; the others would ignore it')
        return self


def load_preference_recipe(settings: TrainerSettings, project: Path | None = None) -> PreferenceRecipe:
    """The recipe for preferences of a project: a shipped one's name, or a file relative to the folder `project`.

    Of what the settings change in a recipe the seed alone counts: steps and time belong to the run on the records.

    Raises:
        RecipeError: none is named, there is no such recipe, or a value in it can't be used.
    """
    if not settings.preference_recipe:
        raise RecipeError(f"{SETTING}: empty, while there are preferences to learn from; name one of {_shipped()}")
    read = read_recipe(settings.preference_recipe, project or Path.cwd(), SETTING)
    if read.method != DPO:
        raise RecipeError(
            f"{SETTING}: {settings.preference_recipe} learns from records, not from preferences; name one of "
            f'{_shipped()}, or write `method = "dpo"` into your own'
        )
    return read.validated(PreferenceRecipe, {} if settings.seed is None else {"seed": settings.seed})


def _shipped() -> str:
    return ", ".join(sorted(path.stem for path in SHIPPED.glob("*-dpo.toml")))
