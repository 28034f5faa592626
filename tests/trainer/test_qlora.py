"""QLoRA for real on the processor: a 4-bit base, twenty steps, and an adapter that loads and merges."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from bundle.records import EVAL, TRAIN, Provenance, Record, write_records
from bundle.stage import silent
from trainer.base import base_template
from trainer.recipe import Recipe
from trainer.stage import run


def test_a_four_bit_base_learns_in_twenty_steps_and_its_adapter_merges(
    make_base: Callable[..., Path], tmp_path: Path
) -> None:
    base, dataset, out = make_base(hidden=128), tmp_path / "dataset", tmp_path / "adapter"
    dataset.mkdir()
    out.mkdir()
    origin = Provenance(source="package", package="numpy", version="2", symbol="numpy.sum", kind="usage", licence="BSD")
    records = [
        Record(instruction=f"How are {n} numbers summed?", output="With `np.sum`.", provenance=origin)
        for n in range(42)
    ]
    write_records(dataset / TRAIN, records[:40])
    write_records(dataset / EVAL, records[40:])
    recipe = Recipe(
        description="test",
        quantise_base="nf4",
        rank=32,  # bitsandbytes holds the states of 4,096 values or more in 8 bits
        optimiser="adamw_8bit",
        learning_rate=1e-2,
        batch_size=2,
        held_out_records=2,
        gradient_checkpointing=True,
    )
    run(recipe, base, dataset, base_template(base, "Be brief."), out, silent)

    summary = json.loads((out / "summary.json").read_text())
    entries = [json.loads(line) for line in (out / "training.jsonl").read_text().splitlines()]
    losses = [entry["loss"] for entry in entries if "loss" in entry]
    assert (summary["steps"], len(losses)) == (20, 20)
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
    assert summary["held_out_loss_after"] < 0.8 * summary["held_out_loss_before"]

    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
        before = plain(input_ids=ids).logits
        adapted = PeftModel.from_pretrained(plain, out)
        after = adapted(input_ids=ids).logits
        merged = adapted.merge_and_unload()(input_ids=ids).logits
    assert (after - before).abs().max() > 0.1
    torch.testing.assert_close(merged, after, rtol=1e-3, atol=1e-3)
