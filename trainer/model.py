"""The base model with a LoRA adapter on it, fresh or an earlier run's. Knows nothing about records, budgets or logs."""

from __future__ import annotations

from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, set_peft_model_state_dict
from peft.utils import SAFETENSORS_WEIGHTS_NAME
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedModel

from bundle.errors import BaseModelError, RecipeError
from trainer.lineage import SCRATCH
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


def load_weights(model: PeftModel, adapter: Path) -> None:
    """Give the model's adapter the weights of an earlier one, to train on from there.

    Raises:
        RecipeError: the earlier one's weights are damaged, or aren't of this adapter's shape.
    """
    path = adapter / SAFETENSORS_WEIGHTS_NAME
    try:
        loaded = set_peft_model_state_dict(model, load_file(path))
        lost = [*loaded.unexpected_keys, *(name for name in loaded.missing_keys if "lora_" in name)]
        why = f"no match for {lost[0]}" if lost else ""
    except (OSError, SafetensorError, RuntimeError, ValueError, KeyError) as error:
        why = str(error).strip().splitlines()[0]
    if why:
        raise RecipeError(f"{path}: training can't go on from it ({why}); {SCRATCH}")
