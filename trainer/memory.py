"""What is done when memory runs out: a smaller batch, as often as it takes, and the same number of records a step.

Knows nothing about models; that a run goes on from its last checkpoint is the attempt's own business.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from accelerate import PartialState
from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size

from bundle.errors import RecipeError
from trainer.recipe import RunRecipe

_Recipe = TypeVar("_Recipe", bound=RunRecipe)
_Result = TypeVar("_Result")


def until_it_fits(
    recipe: _Recipe, attempt: Callable[[_Recipe], _Result], say: Callable[[str], None]
) -> tuple[_Recipe, _Result]:
    """Call `attempt` with the recipe, and with a smaller batch whenever it runs out of memory.

    Returns the recipe that fitted and what the attempt returned; `say` gets a line for each smaller batch.

    Raises:
        RecipeError: not even a single record fits, or several processes train together, of which only one would know.
    """
    while True:
        try:
            return recipe, attempt(recipe)
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
        # Out here the error is gone, and with it the frames that held on to the model.
        if PartialState().num_processes > 1:
            raise RecipeError("out of memory: lower batch_size and raise gradient_accumulation in the recipe")
        smaller = halved(recipe)
        clear_device_cache(garbage_collection=True)
        say(
            f"Out of memory with batches of {recipe.batch_size}: going on with {smaller.batch_size}, "
            f"{smaller.gradient_accumulation} of them a step, which are as many records as before"
        )
        recipe = smaller


def out_of_memory(error: RuntimeError) -> bool:
    """Whether an error says that a card or the machine has no memory left."""
    return isinstance(error, torch.OutOfMemoryError) or should_reduce_batch_size(error)


def halved(recipe: _Recipe) -> _Recipe:
    """The recipe with half the batch or less, and the gradient accumulation raised by the same factor.

    Raises:
        RecipeError: a batch is one record already.
    """
    size = recipe.batch_size
    if size == 1:
        cheaper = "" if recipe.gradient_checkpointing else "turn on gradient_checkpointing, "
        raise RecipeError(
            f"out of memory even with one record a batch: {cheaper}lower sequence_length, or take a smaller base model"
        )
    half = next(part for part in range(size // 2, 0, -1) if size % part == 0)
    factor = size // half
    return recipe.model_copy(
        update={"batch_size": half, "gradient_accumulation": recipe.gradient_accumulation * factor}
    )
