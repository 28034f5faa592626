"""Two processes on the processor, started by torchrun, train as one with twice the gradient accumulation."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from accelerate.commands.config.config_args import load_config_from_file
from safetensors.torch import load_file

import trainer
from boffin.run import run_stages

RECIPE = "learning_rate = 1e-2\nepochs = 2\nbatch_size = 2\ncheckpoint_steps = 3\ngradient_accumulation = {}"
LAUNCH = Path(trainer.__file__).parent / "launch"


def test_two_processes_equal_one_with_twice_the_accumulation(make_project: Callable[[str], Path]) -> None:
    project = make_project(RECIPE.format(1))
    adapter = project / "workspace" / "adapter"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    child = subprocess.run(
        [*command, "-m", "boffin", "train", "-C", str(project)], capture_output=True, text=True, check=False
    )
    assert child.returncode == 0, child.stderr
    together, weights = _losses(adapter), load_file(adapter / "adapter_model.safetensors")
    summary = json.loads((adapter / "summary.json").read_text())
    assert (summary["processes"], summary["steps"], summary["records_seen"]) == (2, 8, 32)

    (project / "mine.toml").write_text('description = "test"\n' + RECIPE.format(2))
    run_stages(project, [], ["adapter"], "")
    alone = _losses(adapter)
    assert together.keys() == alone.keys() and len(alone) == 10
    for key, loss in alone.items():
        assert together[key] == pytest.approx(loss, abs=2e-4), key
    for name, tensor in load_file(adapter / "adapter_model.safetensors").items():
        torch.testing.assert_close(weights[name], tensor, rtol=1e-3, atol=1e-4)


def _losses(adapter: Path) -> dict[tuple[str, int], float]:
    entries = [json.loads(line) for line in (adapter / "training.jsonl").read_text().splitlines()]
    return {
        (name, entry["step"]): entry[name] for entry in entries for name in ("loss", "held_out_loss") if name in entry
    }


@pytest.mark.parametrize(("name", "kind"), [("ddp", "MULTI_GPU"), ("fsdp", "FSDP")])
def test_the_launch_files_are_accelerates(name: str, kind: str) -> None:
    path = LAUNCH / f"{name}.yaml"
    config = load_config_from_file(str(path))
    assert config.distributed_type == kind
    assert f"accelerate launch --config_file trainer/launch/{name}.yaml" in path.read_text()
    assert set(yaml.safe_load(path.read_text())) <= set(vars(config))
