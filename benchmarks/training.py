"""How fast does Boffin train, against plain TRL, in how much memory, and to which loss?

    make bench-train              (python -m benchmarks.training [--steps N] [--runs N] [--dataset DIR])

SmolLM2-135M-Instruct on this machine's processor, by the shipped recipe smollm2-135m-cpu bounded by steps: Boffin's own
stage, and TRL's SFTTrainer with the same number format, optimiser, learning rate at each step, LoRA, batch and token
ids, without packing, with gradient checkpointing off and on. Each training is a process of its own, in turn, the order
turned around each time; all see the same records once. Then the held-out loss is computed from each saved adapter by
the same code. Every round also times the step's matrix products alone: `of_ceiling` is the share of their speed.

The ratios compare medians with the faster row of TRL. Written to benchmarks/results/train.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.machine import origin
from benchmarks.pocket import Material, mean_loss, prepare, recipe
from bundle.atomic import write_json
from bundle.errors import BoffinError
from bundle.records import EVAL, TRAIN
from trainer.encoding import IGNORED

RESULTS = Path(__file__).parent / "results"
BOFFIN, PLAIN, CHECKPOINTED, CEILING = "boffin", "trl", "trl-checkpointed", "ceiling"
TITLES = {BOFFIN: "Boffin", PLAIN: "TRL", CHECKPOINTED: "TRL, gradient checkpointing"}
PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate")


def boffin(material: Material, steps: int, seed: int, out: Path) -> float:
    """Train with Boffin's stage; returns the seconds of training."""
    from bundle.stage import silent
    from trainer.stage import run

    run(recipe(steps, seed=seed), material.base, material.dataset, material.template, out, silent)
    return float(json.loads((out / "summary.json").read_bytes())["seconds"])


def plain_trainer(material: Material, steps: int, seed: int, out: Path, checkpointing: bool, kind: type | None) -> Any:
    """TRL as it comes, of the class `kind` where one is given; the learning rate of each step is Boffin's."""
    import torch
    from datasets import Dataset
    from torch.optim.lr_scheduler import LambdaLR
    from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed
    from trl import SFTConfig, SFTTrainer

    from trainer.arguments import make_budget
    from trainer.model import lora

    ours = recipe(steps, seed=seed)
    set_seed(seed)
    rows = [{"input_ids": one.input_ids, "labels": one.labels} for one in material.examples(TRAIN)]
    trainer = (kind or SFTTrainer)(
        model=AutoModelForCausalLM.from_pretrained(material.base, dtype=torch.float32, local_files_only=True),
        args=SFTConfig(
            output_dir=str(out / "trl"),
            max_steps=steps,
            per_device_train_batch_size=ours.batch_size,
            gradient_accumulation_steps=ours.gradient_accumulation,
            learning_rate=ours.learning_rate,
            weight_decay=ours.weight_decay,
            max_grad_norm=ours.max_grad_norm,
            optim=ours.optimiser,
            gradient_checkpointing=checkpointing,
            use_cpu=True,
            bf16=False,
            seed=seed,
            logging_steps=ours.logging_steps,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataset_kwargs={"skip_prepare_dataset": True},  # they are token ids already
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(material.base, local_files_only=True),
        peft_config=lora(ours),
    )
    trainer.create_optimizer()
    trainer.lr_scheduler = LambdaLR(trainer.optimizer, make_budget(ours, len(rows)).rate)
    return trainer


def plain(material: Material, steps: int, seed: int, out: Path, *, checkpointing: bool) -> float:
    """Train with TRL; returns the seconds from the first step's beginning to the last one's end."""
    from transformers import TrainerCallback

    trainer = plain_trainer(material, steps, seed, out, checkpointing, None)
    times: list[float] = []

    class Clock(TrainerCallback):
        def on_epoch_begin(self, *_: Any, **__: Any) -> None:
            times.append(time.monotonic())

        def on_train_end(self, *_: Any, **__: Any) -> None:
            times.append(time.monotonic())

    trainer.add_callback(Clock())
    trainer.train()
    trainer.save_model(str(out))
    return times[-1] - times[0]


ROWS: dict[str, Callable[..., float]] = {
    BOFFIN: boffin,
    PLAIN: lambda *given: plain(*given, checkpointing=False),
    CHECKPOINTED: lambda *given: plain(*given, checkpointing=True),
}


def held_out_loss(material: Material, adapter: Path) -> float:
    """The held-out records' loss with a saved adapter, by nothing but transformers and PEFT."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(material.base, dtype=torch.float32, local_files_only=True)
    return mean_loss(PeftModel.from_pretrained(base, str(adapter)).eval(), material.examples(EVAL))


def one_row(row: str, material: Material, steps: int, seed: int) -> dict[str, Any]:
    """What a process of its own does: train, or time the products of a mean step."""
    if row == CEILING:
        from benchmarks.ceiling import measure

        ours, examples = recipe(steps), material.examples(TRAIN)
        tokens = sum(len(one.input_ids) for one in examples)
        trained = sum(label != IGNORED for one in examples for label in one.labels)
        ceiling = measure(material.base, ours.rank, round(tokens / steps), round(trained / steps))
        return {"seconds_a_step": ceiling.seconds, "gflops": ceiling.gflops, "tokens": tokens, "trained": trained}
    from trainer.summary import peak_memory_mb

    with tempfile.TemporaryDirectory() as temporary:
        adapter = Path(temporary)
        seconds = ROWS[row](material, steps, seed, adapter)
        peak = peak_memory_mb("cpu")  # before the loss is computed, which isn't theirs
        return {"seconds": seconds, "peak_memory_mb": peak, "held_out_loss": held_out_loss(material, adapter)}


def in_process(row: str, options: argparse.Namespace, seed: int) -> dict[str, Any]:
    """Run a row in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.training", "--row", row, "--seed", str(seed)]
    command += ["--steps", str(options.steps), "--out", str(options.out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"bench-train: {row}: {done.stderr.strip()}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def spread(values: list[float]) -> dict[str, float]:
    """Median and ends."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run all rows in turn, and put the results together."""
    a_step = recipe(1).batch_size * recipe(1).gradient_accumulation
    records = options.steps * a_step
    prepare(options.out / "train", options.dataset, records)
    runs: dict[str, list[dict[str, Any]]] = {row: [] for row in (CEILING, *ROWS)}
    for number in range(options.runs):
        order = list(runs) if number % 2 == 0 else list(runs)[::-1]
        for row in order:
            found = in_process(row, options, number)
            runs[row].append(found)
            print(f"  {number + 1}/{options.runs} {row}: " + _brief(found), file=sys.stderr, flush=True)
    a_step_seconds = [seconds for one in runs[CEILING] for seconds in one["seconds_a_step"]]
    ceiling = spread([a_step / seconds for seconds in a_step_seconds])
    rows = []
    for row, title in TITLES.items():
        speed = spread([records / one["seconds"] for one in runs[row]])
        rows.append(
            {
                "row": row,
                "title": title,
                "records_per_second": speed,
                "peak_memory_mb": spread([one["peak_memory_mb"] for one in runs[row]]),
                "held_out_loss": spread([one["held_out_loss"] for one in runs[row]]),
                "of_ceiling": speed["median"] / ceiling["median"],
            }
        )
    peer = max(rows[1:], key=lambda one: one["records_per_second"]["median"])
    ratios = {
        f"{name}_ratio": rows[0][key]["median"] / peer[key]["median"]
        for name, key in (("speed", "records_per_second"), ("memory", "peak_memory_mb"), ("loss", "held_out_loss"))
    }
    first = runs[CEILING][0]
    return origin(*PACKAGES) | {
        "steps": options.steps,
        "records": records,
        "tokens": first["tokens"],
        "trained_tokens": first["trained"],
        "runs": runs,
        "rows": rows,
        "compared_with": peer["row"],
        "ceiling": {
            "records_per_second": ceiling,
            "gflops": spread([one["gflops"] for one in runs[CEILING]]),
        },
        **ratios,
    }


def _brief(found: dict[str, Any]) -> str:
    if "gflops" in found:
        return f"{found['gflops']:.0f} GFLOP/s"
    return f"{found['seconds']:.1f} s, {found['peak_memory_mb']} MB, loss {found['held_out_loss']:.4f}"


def render(result: dict[str, Any]) -> str:
    """The table and the ratios, as a person reads them."""
    head = ("", "records/s", "min", "max", "of ceiling", "peak MB", "max", "held-out loss", "min", "max")
    lines = [f"{head[0]:<28}" + "".join(f"{name:>14}" for name in head[1:])]
    for row in result["rows"]:
        speed, memory, loss = (row[key] for key in ("records_per_second", "peak_memory_mb", "held_out_loss"))
        cells = [f"{speed[name]:.3f}" for name in ("median", "min", "max")]
        cells += [f"{row['of_ceiling']:.1%}", f"{memory['median']:,.0f}", f"{memory['max']:,.0f}"]
        cells += [f"{loss[name]:.4f}" for name in ("median", "min", "max")]
        lines.append(f"{row['title']:<28}" + "".join(f"{cell:>14}" for cell in cells))
    speed = result["ceiling"]["records_per_second"]
    cells = [f"{speed[name]:.3f}" for name in ("median", "min", "max")] + ["100.0%"]
    lines.append(f"{'its matrix products alone':<28}" + "".join(f"{cell:>14}" for cell in cells))
    lines += [
        "",
        f"{result['steps']} steps, {result['records']} records, {result['tokens']:,} tokens of which "
        f"{result['trained_tokens']:,} trained; products at {result['ceiling']['gflops']['median']:.0f} GFLOP/s",
        f"against {result['compared_with']}: "
        + ", ".join(f"{name}_ratio {result[f'{name}_ratio']:.3f}" for name in ("speed", "memory", "loss")),
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, print the table and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10, help="optimiser steps of each training")
    parser.add_argument("--runs", type=int, default=3, help="trainings of each row, each with a seed of its own")
    parser.add_argument("--dataset", type=Path, help="a dataset's folder, instead of one curated for this")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--row", choices=[CEILING, *ROWS], help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.row:
        folder = options.out / "train"
        material = Material((folder / "base").resolve(), (folder / "dataset").resolve())
        print(json.dumps(one_row(options.row, material, options.steps, options.seed)))
        return
    try:
        result = measure(options)
    except BoffinError as error:
        sys.exit(f"bench-train: {error}")
    print(render(result))
    write_json(options.out / "train.json", result)


if __name__ == "__main__":
    main()
