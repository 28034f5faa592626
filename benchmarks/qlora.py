"""Does QLoRA really train on a processor: a 4-bit base through bitsandbytes, and an adapter that loads and merges?

    make bench-qlora              (python -m benchmarks.qlora [--steps N] [--dataset DIR])

SmolLM2-135M-Instruct held in NF4 with double quantisation, 8-bit AdamW, otherwise the shipped recipe smollm2-135m-cpu,
through Boffin's own stage. Then transformers and PEFT alone load the adapter onto the base in float32, which is what it
is shipped in, compute the held-out loss without it, with it and merged, and compare the logits. Written to
benchmarks/results/qlora.json.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, PreTrainedModel

from benchmarks.machine import origin
from benchmarks.pocket import Material, mean_loss, prepare, recipe
from benchmarks.training import PACKAGES, RESULTS
from bundle.atomic import write_json
from bundle.errors import BoffinError
from bundle.records import EVAL
from bundle.stage import TerminalProgress
from trainer.model import load_base
from trainer.recipe import Recipe
from trainer.stage import run

FEW = 5
"""Steps at either end whose losses are averaged: each step sees other records."""


def train(material: Material, ours: Recipe, out: Path) -> dict[str, Any]:
    """Train; returns the stage's summary with the loss of each step."""
    progress = TerminalProgress()
    run(ours, material.base, material.dataset, material.template, out, progress)
    progress.end()
    summary: dict[str, Any] = json.loads((out / "summary.json").read_bytes())
    lines = [json.loads(line) for line in (out / "training.jsonl").read_text(encoding="utf-8").splitlines()]
    return summary | {"losses": [line["loss"] for line in lines if "loss" in line]}


def in_four_bits(material: Material, ours: Recipe) -> dict[str, Any]:
    """How the base lies in memory while it is trained on."""
    import bitsandbytes

    model = load_base(material.base, ours, torch.float32, "cpu")
    layers = [module for module in model.modules() if isinstance(module, bitsandbytes.nn.Linear4bit)]
    return {
        "layers_in_nf4": len(layers),
        "bytes_of_layers": sum(layer.weight.nbytes for layer in layers),
        "weights_of_layers": sum(layer.in_features * layer.out_features for layer in layers),
    }


@torch.inference_mode()
def shipped(material: Material, adapter: Path) -> dict[str, float]:
    """The adapter on the base in float32: held-out losses, and how far the merged model's logits are from it."""
    plain: PreTrainedModel = AutoModelForCausalLM.from_pretrained(material.base, dtype=torch.float32)
    examples = material.examples(EVAL)
    found = {"held_out_loss_base": mean_loss(plain, examples)}
    adapted = PeftModel.from_pretrained(plain, str(adapter)).eval()
    found["held_out_loss_adapted"] = mean_loss(adapted, examples)
    ids = torch.tensor([examples[0].input_ids])
    logits = adapted(input_ids=ids).logits
    merged = adapted.merge_and_unload()
    found["held_out_loss_merged"] = mean_loss(merged, examples)
    difference = (merged(input_ids=ids).logits - logits).abs().max()
    return found | {"largest_logit": float(logits.abs().max()), "largest_difference_merged": float(difference)}


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Train, load, merge, and put the figures together."""
    ours = recipe(options.steps, quantise_base="nf4", optimiser="adamw_8bit")
    material = prepare(options.out / "train", options.dataset, options.steps * ours.batch_size)
    with tempfile.TemporaryDirectory() as temporary:
        trained = train(material, ours, Path(temporary))
        found = shipped(material, Path(temporary))
    first, last = (sum(some) / len(some) for some in (trained["losses"][:FEW], trained["losses"][-FEW:]))
    return origin(*PACKAGES, "bitsandbytes") | {
        "training": trained,
        "base": in_four_bits(material, ours),
        "shipped": found,
        "loss_ratio": last / first,
        "held_out_ratio": trained["held_out_loss_after"] / trained["held_out_loss_before"],
        "merged_ratio": found["held_out_loss_merged"] / found["held_out_loss_adapted"],
    }


def render(result: dict[str, Any]) -> str:
    """The figures as a person reads them."""
    trained, base, shipped = result["training"], result["base"], result["shipped"]
    bits = 8 * base["bytes_of_layers"] / base["weights_of_layers"]
    rows = {
        "base": f"{base['layers_in_nf4']} layers in NF4, {bits:.2f} bits a weight",
        "training": f"{trained['steps']} steps, {trained['tokens_seen']:,} tokens in {trained['seconds']:.0f} s, "
        f"peak {trained['peak_memory_mb']:,} MB",
        f"training loss, first and last {FEW}": f"ratio {result['loss_ratio']:.3f}",
        "held-out loss on the 4-bit base": f"{trained['held_out_loss_before']:.4f} → "
        f"{trained['held_out_loss_after']:.4f}",
        "held-out loss on the float32 base": f"{shipped['held_out_loss_base']:.4f} → "
        f"{shipped['held_out_loss_adapted']:.4f}, merged {shipped['held_out_loss_merged']:.4f}",
        "logits, merged against adapted": f"at most {shipped['largest_difference_merged']:.1e} apart, of "
        f"{shipped['largest_logit']:.1f}",
    }
    return "\n".join(f"{name:<36}{said}" for name, said in rows.items())


def main() -> None:
    """Measure, print the figures and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--dataset", type=Path, help="a dataset's folder, instead of one curated for this")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    try:
        result = measure(options)
    except BoffinError as error:
        sys.exit(f"bench-qlora: {error}")
    print(render(result))
    write_json(options.out / "qlora.json", result)


if __name__ == "__main__":
    main()
