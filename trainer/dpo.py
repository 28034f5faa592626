"""TRL's DPOTrainer with what Boffin adds to it: our own token ids and a budgeted learning rate.

The model is the base with a trained adapter on it. TRL copies that adapter and freezes the copy: the reference that
rewards are measured against, which is not the bare base. Knows nothing about files or logs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch.optim.lr_scheduler import LambdaLR
from trl import DPOConfig, DPOTrainer

from bundle.errors import RecipeError
from trainer.budget import Budget
from trainer.preference_recipe import PreferenceRecipe
from trainer.sft import LossNotFinite


class PreferenceTrainer(DPOTrainer):
    """TRL's DPOTrainer on rows that are token ids already, with a learning rate that follows a budget."""

    def __init__(self, *arguments: Any, budget: Budget, **options: Any) -> None:
        """As DPOTrainer, and the budget. Rows have `prompt_ids`, `chosen_ids` and `rejected_ids`."""
        self.budget = budget
        super().__init__(*arguments, **options)
        # TRL puts a 4-bit base's adapter into bfloat16, where steps of this rate are rounded away: a weight of 0.01 has
        # its neighbours 6e-5 away. The frozen copy is in float32, and so both begin alike.
        for parameter in self.model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
        """The rows as they are: TRL would render and tokenise texts otherwise than they are served."""
        return dataset

    def check_batch(self) -> None:
        """Look at a batch of the shortest and the longest row: it has our ids, and only whole answers count.

        Raises:
            RecipeError: TRL's collator made something else of them.
        """
        rows = sorted(self.train_dataset, key=lambda row: len(row["prompt_ids"]) + len(row["chosen_ids"]))
        ends = [rows[0], rows[-1]]
        batch = self.data_collator(ends)
        for kind, place in (("chosen_ids", 0), ("rejected_ids", len(ends))):
            for number, row in enumerate(ends, start=place):
                ids, mask = batch["input_ids"][number], batch["completion_mask"][number].bool()
                seen = ids[batch["attention_mask"][number].bool()].tolist()
                if seen != row["prompt_ids"] + row[kind] or ids[mask].tolist() != row[kind]:
                    raise RecipeError(
                        "TRL makes other tokens of a pair than the appliance sends; install the TRL that "
                        "constraints.txt names"
                    )

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:
        """One forward and backward pass.

        Raises:
            LossNotFinite: the loss is infinite or not a number.
        """
        loss: torch.Tensor = super().training_step(model, inputs, num_items_in_batch)
        if not torch.isfinite(loss):
            raise LossNotFinite(float(loss), self.state.global_step + 1, inputs["input_ids"].tolist())
        return loss

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> LambdaLR:
        """The scheduler: the budget's factor of the peak rate."""
        self.lr_scheduler = LambdaLR(optimizer or self.optimizer, self.budget.rate)
        return self.lr_scheduler


def dpo_arguments(recipe: PreferenceRecipe, budget: Budget, out: Path, dtype: torch.dtype, device: str) -> DPOConfig:
    """What TRL is to do."""
    return DPOConfig(
        output_dir=str(out),
        loss_type=[recipe.loss, "sft"] if recipe.sft_weight else [recipe.loss],
        loss_weights=[1.0, recipe.sft_weight] if recipe.sft_weight else None,
        beta=recipe.beta,
        label_smoothing=recipe.label_smoothing,
        max_steps=budget.max_steps,
        per_device_train_batch_size=recipe.batch_size,
        per_device_eval_batch_size=1,  # TRL tells the mean of the batches' means
        gradient_accumulation_steps=recipe.gradient_accumulation,
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.max_grad_norm,
        optim=recipe.optimiser,
        gradient_checkpointing=recipe.gradient_checkpointing,
        bf16=dtype == torch.bfloat16 and device != "cpu",
        fp16=dtype == torch.float16,
        use_cpu=device == "cpu",
        seed=recipe.seed,
        logging_steps=recipe.logging_steps,
        logging_nan_inf_filter=False,  # a loss that isn't finite has to be seen
        include_num_input_tokens_seen="non_padding",
        save_strategy="steps" if recipe.checkpoint_steps else "no",
        save_steps=recipe.checkpoint_steps or 1,
        save_total_limit=2,  # the one before stays until the next one is whole
        restore_callback_states_from_checkpoint=True,
        eval_strategy="steps" if recipe.evaluation_steps else "no",
        eval_steps=recipe.evaluation_steps or None,
        report_to="none",
        disable_tqdm=True,
        max_length=None,  # what is too long was left out; TRL would cut it
        dataloader_pin_memory=device == "cuda",
    )
