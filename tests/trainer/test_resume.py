"""Going on after a kill or Ctrl+C: same losses as an unbroken run, a log without a gap, nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainerControl, TrainerState, TrainingArguments

from boffin.run import run_stages
from bundle.errors import Interrupted
from bundle.stage import silent
from trainer.base import base_template
from trainer.budget import Budget
from trainer.checkpoints import SEAL, Sealing, latest_checkpoint, remove_others
from trainer.interruption import Interruption
from trainer.recipe import Recipe
from trainer.stage import run

RECIPE = Recipe(
    description="test",
    batch_size=2,
    gradient_accumulation=2,
    learning_rate=1e-2,
    dropout=0.3,
    epochs=3,
    held_out_records=2,
    evaluation_steps=4,
    checkpoint_steps=3,
)
"""Three passes of four steps: the checkpoint of step 6 lies in the second pass."""
KILLED_AFTER = 8

CHILD = """
import os, signal, sys
from pathlib import Path
from trainer.base import base_template
from trainer.recipe import Recipe
from trainer.stage import run

base, dataset, out, checkpoints, recipe, last = sys.argv[1:]

def progress(what, done=0, total=0, unit=""):
    if what == "training" and done == int(last):
        os.kill(os.getpid(), signal.SIGKILL)

recipe = Recipe.model_validate_json(recipe)
run(recipe, Path(base), Path(dataset), base_template(Path(base), ""), Path(out), progress, Path(checkpoints))
"""


@pytest.fixture(scope="module")
def base(make_base: Callable[..., Path]) -> Path:
    return make_base()


def log_of(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "training.jsonl").read_text().splitlines()]


def test_a_killed_run_ends_as_an_unbroken_one(
    base: Path, tmp_path: Path, write_dataset: Callable[[Path], None]
) -> None:
    dataset, unbroken, resumed, checkpoints = (tmp_path / name for name in ("dataset", "unbroken", "resumed", "kept"))
    for folder in (dataset, unbroken, resumed):
        folder.mkdir()
    write_dataset(dataset)
    template = base_template(base, "")
    run(RECIPE, base, dataset, template, unbroken, silent)

    places = [str(path) for path in (base, dataset, resumed, checkpoints)]
    child = subprocess.run(
        [sys.executable, "-c", CHILD, *places, RECIPE.model_dump_json(), str(KILLED_AFTER)], check=False
    )
    assert child.returncode == -signal.SIGKILL
    killed = [entry["step"] for entry in log_of(checkpoints)]
    assert killed[-1] == KILLED_AFTER
    assert not (resumed / "summary.json").exists()

    result = run(RECIPE, base, dataset, template, resumed, silent, checkpoints)
    assert "went on from the checkpoint of step 6" in result.notes
    expected, found = log_of(unbroken), log_of(resumed)
    assert [entry["step"] for entry in expected] == [0, 1, 2, 3, 4, 4, 5, 6, 7, 8, 8, 9, 10, 11, 12, 12]
    for before, after in zip(expected, found, strict=True):
        assert before.keys() == after.keys()
        for name in before.keys() & {"step", "loss", "held_out_loss", "learning_rate", "gradient_norm", "tokens"}:
            assert after[name] == pytest.approx(before[name], rel=1e-4), (before["step"], name)
    weights = [load_file(folder / "adapter_model.safetensors") for folder in (unbroken, resumed)]
    for name, tensor in weights[0].items():
        torch.testing.assert_close(weights[1][name], tensor, rtol=1e-4, atol=1e-6)
    summary = json.loads((resumed / "summary.json").read_text())
    assert (summary["steps"], summary["went_on_from"]) == (12, 6)
    assert not (unbroken / "checkpoints").exists()


def test_ctrl_c_saves_and_the_same_command_goes_on(
    make_project: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    project = make_project("epochs = 3\nbatch_size = 1\nheld_out_records = 0")
    workspace = project / "workspace"
    command = [sys.executable, "-m", "boffin", "train", "-C", str(project)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as child:
        assert child.stderr
        said = ""
        for line in child.stderr:
            said += line
            if line.startswith("  training "):
                child.send_signal(signal.SIGINT)
                break
        said += child.stderr.read()
    assert child.returncode == 130, said
    assert "Traceback" not in said
    last = said.strip().splitlines()[-1]
    assert last.startswith("boffin: training was stopped after step ") and "same command again" in last
    stopped = int(last.split("after step ")[1].split()[0])
    (kept,) = (workspace / "checkpoints").iterdir()
    found = latest_checkpoint(kept, 48)
    assert found and found.step == stopped

    run_stages(project, [], ["adapter"], "")
    assert f"went on from the checkpoint of step {stopped}" in capsys.readouterr().out
    assert [entry["step"] for entry in log_of(workspace / "adapter")] == list(range(1, 49))
    assert not kept.exists()


def test_a_second_ctrl_c_ends_at_once() -> None:
    interruption, before = Interruption(processes=1), signal.getsignal(signal.SIGINT)
    control, state = TrainerControl(), TrainerState(global_step=3, max_steps=9)
    with pytest.raises(KeyboardInterrupt), interruption.watched():
        os.kill(os.getpid(), signal.SIGINT)
        interruption.on_step_end(None, state, control)
        assert control.should_save and control.should_training_stop
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_in_the_last_step_lets_the_run_end() -> None:
    interruption = Interruption(processes=1)
    with interruption.watched():
        os.kill(os.getpid(), signal.SIGINT)
        interruption.on_step_end(None, TrainerState(global_step=9, max_steps=9), TrainerControl(True))
    with pytest.raises(Interrupted, match="after step 2 of 9"), interruption.watched():
        interruption.on_step_end(None, TrainerState(global_step=2, max_steps=9), TrainerControl())


def test_only_whole_checkpoints_are_gone_on_from(tmp_path: Path) -> None:
    sealing = Sealing(Budget(max_steps=9, spent=7.5))
    arguments = TrainingArguments(output_dir=str(tmp_path), use_cpu=True)
    for step in (3, 6, 9, 10):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}" / "optimizer.pt").write_text("x")
        if step != 10:
            sealing.on_save(arguments, TrainerState(global_step=step, max_steps=9), TrainerControl())
    (tmp_path / "checkpoint-6" / SEAL).write_text("{")
    found = latest_checkpoint(tmp_path, before=9)
    assert found and (found.step, found.seconds) == (3, 7.5)
    remove_others(tmp_path, found)
    assert [path.name for path in tmp_path.glob("checkpoint-*")] == ["checkpoint-3"]
    remove_others(tmp_path, None)
    assert not list(tmp_path.glob("checkpoint-*"))
