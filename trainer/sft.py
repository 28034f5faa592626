"""TRL's SFTTrainer with what Boffin adds to it: a budgeted learning rate, an order of the records, a loss for the CPU.

Knows nothing about recipes, files or logs.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from peft.optimizers import create_loraplus_optimizer
from torch.nn.functional import cross_entropy, pad
from torch.optim.lr_scheduler import LambdaLR
from trl import SFTTrainer

from trainer.budget import Budget
from trainer.encoding import IGNORED
from trainer.fusion import fuse
from trainer.loss import plain_head, projected_loss, taken_off
from trainer.rows import Rows, attend_in_rows
from trainer.sampling import LengthBatches


class LossNotFinite(Exception):
    """The loss of a batch is infinite or not a number, so that nothing can be learnt from here on."""

    def __init__(self, loss: float, step: int, rows: list[list[int]]) -> None:
        """`rows` are the batch's token ids, padding included."""
        super().__init__(f"the loss is {loss} at step {step}")
        self.rows = rows


class BudgetTrainer(SFTTrainer):
    """TRL's SFTTrainer with a learning rate that follows a budget of steps or of time, and our order of the records."""

    def __init__(
        self,
        *arguments: Any,
        budget: Budget,
        lengths: Sequence[int] = (),
        group: int = 0,
        lora_plus_ratio: float = 1.0,
        **options: Any,
    ) -> None:
        """As SFTTrainer, and the budget.

        `lengths` are the records' lengths in tokens where they are to be grouped, `group` at a time (0 takes the
        batch size); `lora_plus_ratio` is the B matrices' learning rate over that of the A matrices.
        """
        self.budget = budget
        self.lengths = lengths
        self.group = group
        self.lora_plus_ratio = lora_plus_ratio
        super().__init__(*arguments, **options)
        self._head: torch.nn.Linear | None = None
        self._in_rows = False
        self._speed_up()
        if self.args.fp16:
            # TRL puts a 4-bit base's adapter into bfloat16, whose gradients torch's scaler for float16 can't unscale.
            for parameter in self.model.parameters():
                if parameter.requires_grad:
                    parameter.data = parameter.data.float()

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        if not self.lengths:
            return super()._get_train_sampler(train_dataset)
        return LengthBatches(
            self.lengths,
            self.group or self.args.per_device_train_batch_size,
            self.args.seed,
            lambda: int(self.state.epoch),
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

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The mean loss of the trained tokens, in nats.

        On the processor a batch has no padding, and only what is trained is projected (`trainer/rows.py`,
        `trainer/loss.py`).
        """
        if self.args.device.type != "cpu" or return_outputs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        targets = pad(inputs.pop("labels")[:, 1:], (0, 1), value=IGNORED)
        if self._in_rows and "attention_mask" in inputs:
            rows = Rows.of(inputs["input_ids"], inputs["attention_mask"], targets)
            inputs, targets = {"input_ids": rows.ids, "position_ids": rows.positions, "rows": rows}, rows.targets
        trained = targets != IGNORED
        with taken_off(self._head) if self._head else nullcontext():
            output = model(**inputs, logits_to_keep=trained, use_cache=False).logits
        if self._head:
            loss = projected_loss(output, self._head.weight, targets[trained])
        else:
            loss = cross_entropy(output.float(), targets[trained], reduction="sum")
        if num_items_in_batch is None:
            return loss / trained.sum()
        # The count is that of all processes, over which the gradients are then averaged.
        return loss / num_items_in_batch * self.accelerator.num_processes

    def _speed_up(self) -> None:
        """What makes training faster on the processor and changes nothing in it but the last digits."""
        if self.args.device.type != "cpu" or self.is_fsdp_enabled:
            return
        base = self.accelerator.unwrap_model(self.model).get_base_model()
        self._head = plain_head(base)
        fuse(self.model)
        noise = self.args.neftune_noise_alpha or any(
            isinstance(module, torch.nn.Dropout) and module.p for module in self.model.modules()
        )
        self._in_rows = not noise and attend_in_rows(base)

    def create_optimizer(self, model: Any = None) -> Any:
        """The optimiser that the arguments name, with LoRA+'s rates where a ratio is given."""
        if self.optimizer is None and self.lora_plus_ratio != 1:
            kind, options = self.get_optimizer_cls_and_kwargs(self.args, self.model)
            self.optimizer: Any = create_loraplus_optimizer(
                self.model if model is None else model,
                kind,
                loraplus_lr_ratio=self.lora_plus_ratio,
                loraplus_weight_decay=self.args.weight_decay,
                **options,
            )
        return super().create_optimizer(model)

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> LambdaLR:
        """The scheduler: the budget's factor of the peak rate."""
        self.lr_scheduler = LambdaLR(optimizer or self.optimizer, self.budget.rate)
        return self.lr_scheduler
