"""Packing: records that share a row don't see each other, and are trained as they would be alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import datasets
import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, PreTrainedModel, Qwen2Config
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from bundle.records import EVAL, TRAIN, Provenance, Record, write_records
from bundle.stage import silent
from trainer.arguments import arguments, make_budget
from trainer.base import base_template
from trainer.encoding import IGNORED
from trainer.model import load_base, lora
from trainer.packing import pack
from trainer.recipe import Recipe
from trainer.sft import BudgetTrainer
from trainer.stage import run

RECIPE = Recipe(description="test", packing=True, sequence_length=40, batch_size=2, learning_rate=1e-2, dtype="float32")
SIZES = {
    "vocab_size": 128,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.3,
}


def examples() -> list[dict[str, list[int]]]:
    """Nine records of 5 to 21 tokens; the first third of each is the prompt."""
    generator = torch.Generator().manual_seed(3)
    made = []
    for length in range(5, 22, 2):
        ids = torch.randint(3, 128, (length,), generator=generator).tolist()
        made.append({"input_ids": ids, "labels": [IGNORED] * (length // 3) + ids[length // 3 :]})
    return made


def packed() -> datasets.Dataset:
    return pack(datasets.Dataset.from_list(examples()), RECIPE.sequence_length)


def lengths_in(batch: dict[str, torch.Tensor]) -> list[int]:
    return batch["cu_seq_lens_q"].diff().tolist()


def alone(model: PreTrainedModel, ids: torch.Tensor) -> list[torch.Tensor]:
    return [model(input_ids=one[None]).logits[0] for one in ids]


@pytest.fixture(params=["llama-sdpa", "llama-eager", "qwen2-sdpa"])
def model(request: pytest.FixtureRequest) -> PreTrainedModel:
    name, attention = request.param.split("-")
    torch.manual_seed(0)
    config = (LlamaConfig if name == "llama" else Qwen2Config)(**SIZES)
    made = AutoModelForCausalLM.from_config(config, attn_implementation=attention).eval()
    assert isinstance(made, PreTrainedModel)
    return made


def test_every_token_is_packed_once_and_no_row_is_too_long() -> None:
    rows = packed()
    assert len(rows) < len(examples())
    assert all(sum(row["seq_lengths"]) == len(row["input_ids"]) <= RECIPE.sequence_length for row in rows)
    unpacked = []
    for row in rows:
        ids, labels = iter(row["input_ids"]), iter(row["labels"])
        for length in row["seq_lengths"]:
            unpacked.append(([next(ids) for _ in range(length)], [next(labels) for _ in range(length)]))
    assert sorted(unpacked) == sorted((one["input_ids"], one["labels"]) for one in examples())


@torch.no_grad()
def test_a_packs_logits_are_those_of_its_records_alone(model: PreTrainedModel) -> None:
    rows = packed()
    batch = DataCollatorForLanguageModeling(pad_token_id=0, padding_free=True)([rows[0], rows[1]])
    labels = batch.pop("labels")
    assert len(lengths_in(batch)) > 2 and labels.shape == batch["input_ids"].shape
    each = alone(model, batch["input_ids"][0].split(lengths_in(batch)))
    together = model(**batch, use_cache=False).logits[0]
    torch.testing.assert_close(together, torch.cat(each), rtol=1e-4, atol=1e-4)

    wrong = batch | {"position_ids": torch.arange(batch["input_ids"].shape[1])[None]}
    seeing = model(**wrong, use_cache=False).logits[0]
    first = lengths_in(batch)[0]
    torch.testing.assert_close(seeing[:first], each[0], rtol=1e-4, atol=1e-4)
    assert (seeing[first:] - torch.cat(each[1:])).abs().max() > 0.1


def test_a_packs_loss_is_that_of_its_records_weighted_by_their_tokens(
    make_base: Callable[..., Path], tmp_path: Path
) -> None:
    base, rows = make_base(), packed()
    trainer = BudgetTrainer(
        model=load_base(base, RECIPE, torch.float32, "cpu"),
        args=arguments(RECIPE, make_budget(RECIPE, len(rows)), tmp_path, torch.float32, "cpu"),
        train_dataset=rows,
        processing_class=AutoTokenizer.from_pretrained(base),
        peft_config=lora(RECIPE),
        budget=make_budget(RECIPE, len(rows)),
    )
    trainer.model.eval()
    batch = trainer.data_collator([rows[0], rows[1]])
    lengths = lengths_in(batch)
    with torch.no_grad():
        each = alone(trainer.model.get_base_model(), batch["input_ids"][0].split(lengths))
        losses = [
            cross_entropy(logits[:-1], labels[1:], ignore_index=IGNORED, reduction="none")
            for logits, labels in zip(each, batch["labels"][0].split(lengths), strict=True)
        ]
        expected = torch.cat(losses).sum() / torch.cat([loss > 0 for loss in losses]).sum()
        right = trainer.compute_loss(trainer.model, dict(batch))
        seen = batch | {"position_ids": torch.arange(batch["input_ids"].shape[1])[None]}
        wrong = trainer.compute_loss(trainer.model, seen)
    assert right.item() == pytest.approx(expected.item(), rel=1e-4)
    assert abs(wrong.item() - expected.item()) > 0.01


def test_a_packed_run_learns_and_counts_records(make_base: Callable[..., Path], tmp_path: Path) -> None:
    base, dataset, out = make_base(), tmp_path / "dataset", tmp_path / "adapter"
    dataset.mkdir()
    out.mkdir()
    origin = Provenance(source="package", package="numpy", version="2", symbol="numpy.sum", kind="usage", licence="BSD")
    records = [
        Record(instruction=f"How is {n} summed?", output="With `np.sum`. " * (1 + n % 3), provenance=origin)
        for n in range(12)
    ]
    write_records(dataset / TRAIN, records)
    write_records(dataset / EVAL, records[:2])
    given = {"sequence_length": 128, "batch_size": 1, "epochs": 2, "held_out_records": 2}
    recipe = Recipe.model_validate(RECIPE.model_dump() | given)
    run(recipe, base, dataset, base_template(base, "Be brief."), out, silent)
    summary = json.loads((out / "summary.json").read_text())
    assert summary["held_out_loss_after"] < summary["held_out_loss_before"]
    assert summary["steps"] < 24 and summary["records_seen"] == 24
    tokenizer = AutoTokenizer.from_pretrained(base)
    template = base_template(base, "Be brief.")
    tokens = sum(
        len(tokenizer.encode(text, add_special_tokens=False))
        for one in records
        for text in template.example(one.question, one.output)
    )
    assert summary["tokens_seen"] == 2 * tokens
