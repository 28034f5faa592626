"""A batch in one row: no padding, the common beginning once, and the loss and gradients of plain TRL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import datasets
import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, Qwen2Config
from trl import SFTConfig, SFTTrainer
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from trainer.arguments import arguments, make_budget
from trainer.encoding import IGNORED
from trainer.model import load_base, lora
from trainer.recipe import Recipe
from trainer.rows import Rows, attend_in_rows
from trainer.sft import BudgetTrainer

PROMPTS = ([7, 8, 9, 20], [7, 8, 9, 21, 22], [7, 8, 9, 20], [7, 8, 9, 23])
ANSWERS = ([30, 31, 2], [30, 31, 32, 33, 2], [40, 2], [30, 2])
EXAMPLES = [
    {"input_ids": prompt + answer, "labels": [IGNORED] * len(prompt) + answer}
    for prompt, answer in zip(PROMPTS, ANSWERS, strict=True)
]


def batch(examples: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
    made: dict[str, torch.Tensor] = DataCollatorForLanguageModeling(pad_token_id=0)(examples)
    return made


def rows_of(examples: list[dict[str, list[int]]]) -> Rows:
    made = batch(examples)
    targets = torch.nn.functional.pad(made["labels"][:, 1:], (0, 1), value=IGNORED)
    return Rows.of(made["input_ids"], made["attention_mask"], targets)


def test_a_row_has_each_token_and_the_common_beginning_once() -> None:
    rows = rows_of(EXAMPLES)
    assert rows.ids.tolist() == [[7, 8, 9, 20, 30, 31, 2, 21, 22, 30, 31, 32, 33, 2, 20, 40, 2, 23, 30, 2]]
    assert rows.positions.tolist() == [[0, 1, 2, 3, 4, 5, 6, 3, 4, 5, 6, 7, 8, 9, 3, 4, 5, 3, 4, 5]]
    trained = rows.targets[rows.targets != IGNORED].tolist()
    assert trained == [label for answer in ANSWERS for label in answer]


def test_a_position_whose_next_token_is_trained_is_not_shared() -> None:
    rows = rows_of([EXAMPLES[0], EXAMPLES[2]])  # the same prompt, whose last token predicts two answers
    assert rows.ids.tolist() == [[7, 8, 9, 20, 30, 31, 2, 20, 40, 2]]


def test_records_that_have_nothing_in_common_and_one_alone() -> None:
    apart = [EXAMPLES[0], {"input_ids": [5, 6, 2], "labels": [IGNORED, IGNORED, 2]}]
    assert rows_of(apart).ids.tolist() == [[7, 8, 9, 20, 30, 31, 2, 5, 6, 2]]
    assert rows_of(EXAMPLES[:1]).ids.tolist() == [EXAMPLES[0]["input_ids"]]


@pytest.mark.parametrize("kind", [LlamaConfig, Qwen2Config])
@pytest.mark.parametrize("count", [1, 4])
def test_states_and_gradients_are_those_of_the_padded_batch(kind: type, count: int) -> None:
    sizes = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "initializer_range": 0.3}
    torch.manual_seed(0)
    model = get_peft_model(
        AutoModelForCausalLM.from_config(kind(**sizes, **heads)), LoraConfig(init_lora_weights=False)
    )
    assert attend_in_rows(model.get_base_model())
    made, rows = batch(EXAMPLES[:count]), rows_of(EXAMPLES[:count])
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]

    def results(logits: torch.Tensor, targets: torch.Tensor) -> list[torch.Tensor]:
        wanted = targets != IGNORED
        loss = torch.nn.functional.cross_entropy(logits[wanted], targets[wanted])
        return [logits[wanted], *torch.autograd.grad(loss, trained)]

    targets = torch.nn.functional.pad(made.pop("labels")[:, 1:], (0, 1), value=IGNORED)
    expected = results(model(**made, use_cache=False).logits, targets)
    given = {"input_ids": rows.ids, "position_ids": rows.positions, "rows": rows}
    found = results(model(**given, use_cache=False).logits, rows.targets)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_models_with_windows_or_noise_in_attention_keep_theirs() -> None:
    sizes = {"vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    windowed = Qwen2Config(**sizes, num_key_value_heads=2, use_sliding_window=True, max_window_layers=1)
    assert not attend_in_rows(AutoModelForCausalLM.from_config(windowed))
    assert not attend_in_rows(AutoModelForCausalLM.from_config(LlamaConfig(**sizes, attention_dropout=0.1)))


@pytest.mark.parametrize("changes", [{}, {"dropout": 0.1}, {"gradient_checkpointing": True}, {"dora": True}])
def test_the_trainers_loss_and_gradients_are_those_of_plain_trl(
    make_base: Callable[..., Path], tmp_path: Path, changes: dict[str, object]
) -> None:
    given = {"description": "test", "dtype": "float32", "rank": 4} | changes
    recipe, base = Recipe.model_validate(given), make_base()
    rows = datasets.Dataset.from_list(EXAMPLES)
    budget = make_budget(recipe, len(rows))
    common = {"train_dataset": rows, "processing_class": AutoTokenizer.from_pretrained(base)}
    ours = BudgetTrainer(
        model=load_base(base, recipe, torch.float32, "cpu"),
        args=arguments(recipe, budget, tmp_path, torch.float32, "cpu"),
        peft_config=lora(recipe),
        budget=budget,
        **common,
    )
    assert ours._in_rows == (not recipe.dropout)
    theirs = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32),
        args=SFTConfig(
            str(tmp_path), use_cpu=True, bf16=False, report_to="none", dataset_kwargs={"skip_prepare_dataset": True}
        ),
        peft_config=lora(recipe),
        **common,
    )
    found = []
    for trainer in (ours, theirs):
        for number, (name, parameter) in enumerate(trainer.model.named_parameters()):
            if "lora_" in name:
                generator = torch.Generator().manual_seed(number)
                torch.nn.init.normal_(parameter, std=0.1, generator=generator)
        if recipe.dropout:
            trainer.model.eval()
        loss = trainer.compute_loss(trainer.model, batch(EXAMPLES), num_items_in_batch=torch.tensor(12))
        loss.backward()
        gradients = [parameter.grad for parameter in trainer.model.parameters() if parameter.requires_grad]
        found.append([loss.detach(), *gradients])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)
