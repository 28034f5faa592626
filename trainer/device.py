"""Where training runs, and in which number format. Knows nothing about records or recipes' other values."""

from __future__ import annotations

import torch

from bundle.errors import RecipeError
from trainer.recipe import RunRecipe

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def device_name() -> str:
    """`cuda`, `mps` or `cpu`: the best that torch can use here."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def base_dtype(recipe: RunRecipe, device: str) -> torch.dtype:
    """The number format of the base model on a device."""
    if recipe.dtype != "auto":
        return _DTYPES[recipe.dtype]
    if device == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if device == "mps":
        return torch.bfloat16 if torch.backends.mps.is_macos_or_newer(14, 0) else torch.float16
    return torch.float32


def check_device(recipe: RunRecipe, device: str) -> None:
    """Refuse a recipe that this device can't run.

    Raises:
        RecipeError: names what is missing.
    """
    if device == "cpu" and recipe.dtype == "float16":
        raise RecipeError("float16 needs a GPU to train: use dtype = 'auto', or 'bfloat16'")
    if device == "mps" and (recipe.quantise_base != "none" or recipe.optimiser == "adamw_8bit"):
        raise RecipeError(
            "bitsandbytes has no Metal kernels of its own: use the recipe mac-mps, or quantise_base = 'none' and "
            "optimiser = 'adamw_torch'"
        )
