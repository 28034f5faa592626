"""Where does the time of a training step go, in plain TRL and in Boffin?

    python -m benchmarks.step_profile [--dataset DIR]

Both train on the same records (see benchmarks/training.py) under torch's profiler, Boffin through its own stage, for a
few steps after two that warm up. Each operation's own time goes to a group by its name and its shapes; what no
operation accounts for is Python's and the scheduler's. Written to benchmarks/results/profile.json.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from torch.profiler import ProfilerActivity, profile, schedule
from trl import SFTTrainer

import trainer.stage
from benchmarks.machine import origin
from benchmarks.pocket import Material, prepare, recipe
from benchmarks.training import BOFFIN, PACKAGES, PLAIN, RESULTS, boffin, plain_trainer
from bundle.atomic import write_json
from trainer.sft import BudgetTrainer

WARM, STEPS = 2, 4
WORDS = 49152
"""Only the last projection and the loss have a side so long."""
GROUPS = ("linear layers", "last projection and loss", "attention", "optimiser", "everything else", "Python")


def profiled(kind: type[SFTTrainer], found: Counter[str]) -> type[SFTTrainer]:
    """The trainer with a profiler that is told of every step; what it measured goes into `found`, in seconds."""

    class Profiled(kind):  # type: ignore[misc,valid-type]
        def training_step(self, *given: Any, **options: Any) -> Any:
            clock.step()
            return super().training_step(*given, **options)

    def done(prof: profile) -> None:
        wall = time.perf_counter() - began[0]
        for event in prof.key_averages(group_by_input_shape=True):
            if not event.key.startswith("ProfilerStep"):
                found[group(event.key, str(event.input_shapes))] += event.self_cpu_time_total / 1e6
        found["Python"] += wall - sum(found.values())

    def plan(step: int) -> Any:
        if step == WARM + 1:
            began.append(time.perf_counter())
        return cycle(step)

    began: list[float] = []
    cycle = schedule(wait=WARM, warmup=1, active=STEPS, repeat=1)
    clock = profile(activities=[ProfilerActivity.CPU], schedule=plan, on_trace_ready=done, record_shapes=True)
    clock.start()
    return Profiled


def group(name: str, shapes: str) -> str:
    """Which part of a step an operation belongs to."""
    if (
        str(WORDS) in shapes or str(WORDS // 3 * 2) in shapes or "log_softmax" in name
    ):  # TRL's tiles are of 32,768 words
        return "last projection and loss"
    if "attention" in name:
        return "attention"
    if "Optimizer" in name or "adam" in name:
        return "optimiser"
    return "linear layers" if name in ("aten::mm", "aten::addmm", "aten::addmm_") else "everything else"


def measure(material: Material) -> dict[str, dict[str, float]]:
    """Row → group → seconds a step."""
    steps = WARM + STEPS + 2
    rows: dict[str, Counter[str]] = {PLAIN: Counter(), BOFFIN: Counter()}
    with tempfile.TemporaryDirectory() as temporary:
        plain_trainer(material, steps, 0, Path(temporary), False, profiled(SFTTrainer, rows[PLAIN])).train()
    with tempfile.TemporaryDirectory() as temporary:
        trainer.stage.BudgetTrainer = profiled(BudgetTrainer, rows[BOFFIN])  # type: ignore[misc,assignment]
        boffin(material, steps, 0, Path(temporary))
    return {row: {name: found[name] / STEPS for name in GROUPS} for row, found in rows.items()}


def main() -> None:
    """Profile both, print the table and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=Path, help="a dataset's folder, instead of one curated for this")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    steps = WARM + STEPS + 2
    rows = measure(prepare(options.out / "train", options.dataset, steps * recipe(1).batch_size))
    print(f"{'seconds a step':<28}" + "".join(f"{row:>10}" for row in rows))
    for name in GROUPS:
        print(f"{name:<28}" + "".join(f"{found[name]:>10.3f}" for found in rows.values()))
    print(f"{'all':<28}" + "".join(f"{sum(found.values()):>10.3f}" for found in rows.values()))
    write_json(options.out / "profile.json", origin(*PACKAGES) | {"rows": rows})


if __name__ == "__main__":
    main()
