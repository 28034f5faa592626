"""The base model with a LoRA adapter on it. Knows nothing about records, budgets or logs."""

from __future__ import annotations

from pathlib import Path

import torch
from peft import LoraConfig
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedModel

from bundle.errors import BaseModelError
from trainer.recipe import Recipe, RunRecipe


def load_base(base: Path, recipe: RunRecipe, dtype: torch.dtype, device: str) -> PreTrainedModel:
    """The base model of a Hugging Face folder, frozen in `dtype`, or in 4 bits where the recipe says so.

    Raises:
        BaseModelError: the folder has no model that transformers can load.
    """
    options: dict[str, object] = {"dtype": dtype}
    if recipe.quantise_base == "nf4":
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
        options["device_map"] = {"": device}
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(base, local_files_only=True, **options)
    except (OSError, ValueError) as error:
        line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BaseModelError(f"{base}: not a model that can be loaded ({line})") from None
    model.config.use_cache = False
    return model


def lora(recipe: Recipe) -> LoraConfig:
    """The recipe's adapter, as PEFT takes it."""
    modules = recipe.target_modules
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules=modules if isinstance(modules, str) else list(modules),
        use_dora=recipe.dora,
        use_rslora=recipe.rslora,
        bias="none",
    )
