"""From a recipe to the libraries' own arguments: how many steps, at which rate, with which optimiser.

Knows nothing about models, records or adapters.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from trl import SFTConfig

from trainer.budget import Budget
from trainer.recipe import Recipe, RunRecipe


def make_budget(recipe: RunRecipe, records: int, processes: int = 1) -> Budget:
    """Steps: the recipe's own bound, or as many as its epochs have, whichever comes first."""
    an_epoch = math.ceil(records / (recipe.batch_size * recipe.gradient_accumulation * processes))
    steps = max(1, math.ceil(an_epoch * recipe.epochs))
    return Budget(
        max_steps=min(steps, recipe.max_steps or steps),
        seconds=recipe.time_budget,
        warmup_steps=recipe.warmup_steps,
        schedule=recipe.schedule,
    )


def arguments(
    recipe: Recipe, budget: Budget, out: Path, dtype: torch.dtype, device: str, *, held_out: bool = True
) -> SFTConfig:
    """What TRL is to do; `held_out` says whether there are held-out records to measure a loss on."""
    return SFTConfig(
        output_dir=str(out),
        max_steps=budget.max_steps,
        per_device_train_batch_size=recipe.batch_size,
        per_device_eval_batch_size=recipe.batch_size,
        gradient_accumulation_steps=recipe.gradient_accumulation,
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.max_grad_norm,
        optim=recipe.optimiser,
        neftune_noise_alpha=recipe.neftune_alpha or None,
        gradient_checkpointing=recipe.gradient_checkpointing,
        bf16=dtype == torch.bfloat16 and device != "cpu",
        fp16=dtype == torch.float16,
        use_cpu=device == "cpu",
        seed=recipe.seed,
        logging_steps=recipe.logging_steps,
        logging_nan_inf_filter=False,  # a loss that isn't finite has to be seen
        include_num_input_tokens_seen="all" if recipe.packing else "non_padding",
        save_strategy="steps" if recipe.checkpoint_steps else "no",
        save_steps=recipe.checkpoint_steps or 1,
        save_total_limit=2,  # the one before stays until the next one is whole
        load_best_model_at_end=recipe.keep_best and held_out,
        restore_callback_states_from_checkpoint=True,
        eval_strategy="steps" if recipe.evaluation_steps and held_out else "no",
        eval_steps=recipe.evaluation_steps or None,
        metric_for_best_model="eval_loss",
        report_to="none",
        disable_tqdm=True,
        packing=recipe.packing,
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
        dataloader_pin_memory=device == "cuda",
        ddp_find_unused_parameters=False,  # every weight of the adapter takes part in every step
    )
