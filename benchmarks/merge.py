"""How much memory and time does the streaming merge take, against PEFT's `merge_and_unload`, in the same number format?

    make bench-merge

A Llama of about 1.1 thousand million parameters with random weights in bfloat16, in shards, and a LoRA adapter of rank
16 on all of its linear layers are made in a temporary folder. Each merge runs in a fresh process, in turn, three times.
Peak anonymous memory is the process's largest Private + Shared anonymous memory, sampled from /proc (RssAnon): pages
of mapped files don't count, since the kernel takes them back when it needs them. Written to
benchmarks/results/merge.json.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

RUNS = 3
DTYPE = "bfloat16"
INTERVAL = 0.01
RESULTS = Path(__file__).parent / "results"
MEMORY_BOUND, TIME_BOUND = 0.4, 1.2

PROGRAMS = {
    "boffin": """
import sys
from pathlib import Path
from convert.merge import merge
merge(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
""",
    "peft": """
import sys, torch
from peft import PeftModel
from transformers import AutoModelForCausalLM
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=getattr(torch, sys.argv[4]))
PeftModel.from_pretrained(model, sys.argv[2]).merge_and_unload().save_pretrained(sys.argv[3])
""",
}
"""Base, adapter, result, number format."""

MAKE = """
import sys, torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM
torch.manual_seed(1)
torch.set_default_dtype(torch.bfloat16)
config = LlamaConfig(vocab_size=32000, hidden_size=2048, intermediate_size=5632, num_hidden_layers=22,
    num_attention_heads=32, num_key_value_heads=4, tie_word_embeddings=False)
model = LlamaForCausalLM(config)
model.save_pretrained(sys.argv[1], max_shard_size="800MB")
torch.set_default_dtype(torch.float32)
wrapped = get_peft_model(model, LoraConfig(r=16, lora_alpha=16, target_modules="all-linear"))
for name, parameter in wrapped.named_parameters():
    if "lora_B" in name:
        torch.nn.init.normal_(parameter, std=0.01)
wrapped.save_pretrained(sys.argv[2])
print(sum(parameter.numel() for parameter in model.parameters()))
"""


def measure(program: str, arguments: list[str]) -> dict[str, float]:
    """Wall seconds and peak anonymous megabytes of a program in a fresh process."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), "HF_HUB_OFFLINE": "1"}
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        peak = 0
        while process.poll() is None:
            peak = max(peak, anonymous(process.pid))
            time.sleep(INTERVAL)
        seconds = time.perf_counter() - began
        if process.returncode:
            sys.exit(process.stderr.read() if process.stderr else "failed")
    return {"seconds": seconds, "megabytes": peak / 1e6}


def anonymous(pid: int) -> int:
    """A process's anonymous memory in bytes, 0 when it has ended."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def differing(one: Path, other: Path) -> dict[str, float]:
    """How far two merged models differ: the share of numbers that aren't the same, and the largest distance."""
    from safetensors import safe_open

    def opened(folder: Path) -> dict[str, Any]:
        files = [safe_open(file, framework="pt") for file in sorted(folder.glob("*.safetensors"))]
        return {name: file for file in files for name in file.keys()}  # noqa: SIM118  (not a mapping)

    left, right = opened(one), opened(other)
    assert left.keys() == right.keys()
    count = unequal = 0
    largest = 0.0
    for name, file in left.items():
        a, b = file.get_tensor(name).float(), right[name].get_tensor(name).float()
        count += a.numel()
        unequal += int((a != b).sum())
        largest = max(largest, float((a - b).abs().max()))
    return {"share_of_numbers_that_differ": unequal / count, "largest_difference": largest}


def main() -> None:
    """Make the model, merge it in turn, print the table and write the results."""
    with tempfile.TemporaryDirectory(prefix="bench-merge-") as temporary:
        folder = Path(temporary)
        base, adapter = folder / "base", folder / "adapter"
        made = subprocess.run(
            [sys.executable, "-c", MAKE, str(base), str(adapter)], check=True, stdout=subprocess.PIPE, text=True
        )
        parameters = int(made.stdout.split()[-1])
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in PROGRAMS}
        for number in range(RUNS):
            for name, program in PROGRAMS.items():
                out = folder / name
                shutil.rmtree(out, ignore_errors=True)
                runs[name].append(measure(program, [str(base), str(adapter), str(out), DTYPE]))
                print(f"run {number + 1}, {name}: {runs[name][-1]}", flush=True)
        distance = differing(folder / "boffin", folder / "peft")

    rows = []
    print(f"{'merge':<8} {'peak MB':>9} {'min':>7} {'max':>7} {'median s':>9} {'min':>7} {'max':>7}")
    for name, values in runs.items():
        row: dict[str, Any] = {"merge": name}
        for unit in ("megabytes", "seconds"):
            figures = [value[unit] for value in values]
            row |= {unit: statistics.median(figures), f"{unit}_min": min(figures), f"{unit}_max": max(figures)}
        rows.append(row)
        print(
            f"{name:<8} {row['megabytes']:>9.0f} {row['megabytes_min']:>7.0f} {row['megabytes_max']:>7.0f} "
            f"{row['seconds']:>9.1f} {row['seconds_min']:>7.1f} {row['seconds_max']:>7.1f}"
        )
    ours, theirs = rows
    memory_ratio = ours["megabytes"] / theirs["megabytes"]
    time_ratio = ours["seconds"] / theirs["seconds"]
    print(
        f"memory_ratio {memory_ratio:.2f} (at most {MEMORY_BOUND}), time_ratio {time_ratio:.2f} (at most {TIME_BOUND})"
    )
    print(
        f"{distance['share_of_numbers_that_differ']:.1%} of the numbers differ, "
        f"by at most {distance['largest_difference']:.1g}"
    )
    write(rows, parameters, memory_ratio, time_ratio, distance)


def write(
    rows: list[dict[str, Any]], parameters: int, memory_ratio: float, time_ratio: float, distance: dict[str, float]
) -> None:
    """Write the results file."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    flags = next(
        (line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags")), "flags: "
    )
    known = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
    result = {
        "machine": {
            "cores": os.cpu_count(),
            "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
            "machine": platform.machine(),
            "system": platform.system(),
            "instruction_sets": [name for name in known if name in flags.split()],
        },
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("torch", "transformers", "peft", "safetensors")},
        "commit": commit,
        "parameters": parameters,
        "dtype": DTYPE,
        "runs": RUNS,
        "rows": rows,
        "memory_ratio": memory_ratio,
        "time_ratio": time_ratio,
        **distance,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "merge.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
