"""The log's lines, what is kept of them when a run goes on, and the picture."""

from __future__ import annotations

import json
import sys
import time
import types
from pathlib import Path
from xml.etree import ElementTree

import pytest
from transformers import TrainerControl, TrainerState

from bundle.stage import silent
from trainer import log as module
from trainer.budget import Budget
from trainer.curve import curve, smoothed
from trainer.log import TrainingLog

SVG = "{http://www.w3.org/2000/svg}"


def lines(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "training.jsonl").read_text().splitlines()]


def test_a_line_tells_rate_and_time_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    log = TrainingLog(tmp_path, Budget(max_steps=10), silent)
    log.open()
    log.on_log(None, TrainerState(global_step=0), TrainerControl(), {"eval_loss": 2.5})
    log.on_train_begin(None, TrainerState(), TrainerControl())
    log.on_epoch_begin(None, TrainerState(), TrainerControl())
    for step in (1, 2):
        clock[0] += 4
        state = TrainerState(global_step=step, num_input_tokens_seen=100 * step)
        logs = {"loss": 1.5, "learning_rate": 1e-3, "grad_norm": 0.25 if step == 1 else float("inf")}
        log.on_log(None, state, TrainerControl(), logs)
    before, first, second = lines(tmp_path)
    assert before == {"step": 0, "held_out_loss": 2.5, "seconds": 0.0}
    assert first == {
        "step": 1,
        "loss": 1.5,
        "learning_rate": 1e-3,
        "gradient_norm": 0.25,
        "tokens": 100,
        "tokens_per_second": 25.0,
        "seconds": 4.0,
        "seconds_left": 36.0,
    }
    assert (second["tokens_per_second"], second["seconds_left"], second["gradient_norm"]) == (25.0, 32.0, None)


def test_a_run_that_goes_on_keeps_the_lines_until_its_checkpoint(tmp_path: Path) -> None:
    written = [{"step": step, "loss": 2.0} for step in range(1, 6)] + [{"step": 3, "held_out_loss": 1.0}]
    text = "\n".join(json.dumps(entry) for entry in sorted(written, key=lambda entry: entry["step"]))
    (tmp_path / "training.jsonl").write_text(text + '\n{"step": 6, "lo')
    log = TrainingLog(tmp_path, Budget(max_steps=10), silent, after=3)
    log.open()
    assert [entry["step"] for entry in lines(tmp_path)] == [1, 2, 3, 3]
    assert log.held_out == [(3, 1.0)] and [step for step, _ in log.losses] == [1, 2, 3]


def test_only_the_process_that_opened_it_writes(tmp_path: Path) -> None:
    TrainingLog(tmp_path, Budget(max_steps=10), silent).on_log(
        None, TrainerState(global_step=1), TrainerControl(), {"eval_loss": 1.0}
    )
    assert not list(tmp_path.iterdir())


def test_events_are_written_where_tensorboard_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[object, ...]] = []

    class SummaryWriter:
        def __init__(self, folder: str, purge_step: int) -> None:
            written.append((folder, purge_step))

        def add_scalar(self, *values: object) -> None:
            written.append(values)

        def flush(self) -> None: ...

        def close(self) -> None:
            written.append(("closed",))

    fake = types.ModuleType("torch.utils.tensorboard")
    monkeypatch.setattr(fake, "SummaryWriter", SummaryWriter, raising=False)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", fake)
    monkeypatch.setattr(module, "find_spec", lambda name: name)
    log = TrainingLog(tmp_path, Budget(max_steps=10), silent, after=3)
    log.open()
    log.on_log(None, TrainerState(global_step=4), TrainerControl(), {"eval_loss": 1.0})
    log.close()
    assert written[0] == (str(tmp_path / "tensorboard"), 4)
    assert ("held_out_loss", 1.0, 4) in written and written[-1] == ("closed",)


def test_the_smoothed_curve_starts_unbiased_and_follows() -> None:
    assert smoothed([(step, 2.0) for step in range(100)]) == [(step, pytest.approx(2.0)) for step in range(100)]
    last = smoothed([(step, float(step >= 50)) for step in range(100)])[-1]
    assert last[1] > 0.99


def test_the_picture_shows_both_losses_and_scales_to_them() -> None:
    picture = ElementTree.fromstring(curve([(1, 2.0), (50, 1.5), (100, 1.2)], [(0, 2.1), (100, 1.3)]))
    points = [float(circle.get("cy", "0")) for circle in picture.findall(f"{SVG}circle")[:2]]
    assert points[0] < points[1], "a lower loss lies lower"
    title = picture.findtext(f"{SVG}title")
    assert title and "training loss from 2.000 to 1.2" in title and "held-out loss from 2.100 to 1.300" in title
    texts = [text.text for text in picture.findall(f"{SVG}text")]
    assert {"optimiser steps", "loss, nats a token", "training", "held out", "100"} <= set(texts)
    width, height = (float(value) for value in picture.get("viewBox", "").split()[2:])
    for line in picture.findall(f"{SVG}polyline"):
        for place in line.get("points", "").split():
            x, y = (float(value) for value in place.split(","))
            assert 0 <= x <= width and 0 <= y <= height


@pytest.mark.parametrize("losses", [[], [(1, 1.5)], [(1, 1.5), (2, 1.5)]], ids=["none", "one", "flat"])
def test_a_picture_of_little_is_one_still(losses: list[tuple[int, float]]) -> None:
    ElementTree.fromstring(curve(losses, []))
