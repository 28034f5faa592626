"""The probe foretells a long run and leaves nothing behind; a batch that doesn't fit is made smaller."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from bundle.errors import RecipeError
from bundle.records import EVAL, TRAIN, Provenance, Record, write_records
from bundle.stage import silent
from trainer import probe, stage
from trainer.base import base_template
from trainer.memory import halved, out_of_memory, until_it_fits
from trainer.probe import forecast
from trainer.recipe import Recipe
from trainer.settings import TrainerSettings
from trainer.sft import BudgetTrainer

ORIGIN = Provenance(source="package", package="numpy", version="2", symbol="numpy.sum", kind="usage", licence="BSD")


def recipe(**values: object) -> Recipe:
    given = {"description": "test", "batch_size": 2, "held_out_records": 0, "max_steps": 4, "rank": 2, "dropout": 0.1}
    return Recipe.model_validate(given | values)


@pytest.fixture(scope="module")
def base(make_base: Callable[..., Path]) -> Path:
    return make_base()


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    folder = tmp_path / "dataset"
    folder.mkdir()
    records = [
        Record(instruction=f"What is {number}?", output="It is " + "a number " * number, provenance=ORIGIN)
        for number in range(1, 17)
    ]
    write_records(folder / TRAIN, records)
    write_records(folder / EVAL, records[:2])
    return folder


def train(
    one: Recipe, base: Path, dataset: Path, out: Path, settings: TrainerSettings | None = None
) -> list[dict[str, Any]]:
    """Train; returns the log."""
    out.mkdir()
    stage.run(one, base, dataset, base_template(base, ""), out, silent, settings=settings or TrainerSettings())
    return [json.loads(line) for line in (out / "training.jsonl").read_text().splitlines()]


def losses(log: list[dict[str, Any]]) -> list[float]:
    return [entry["loss"] for entry in log if "loss" in entry]


# -- the forecast


def test_a_forecast_in_hours_energy_and_money() -> None:
    settings = TrainerSettings(watts=300, price_per_kwh=0.4, price_per_hour=2)
    told = forecast(1000, 5400.0, 850.0, 6200.0, settings)
    assert (told.hours, told.kwh, told.price) == (1.5, pytest.approx(0.45), pytest.approx(3.18))
    assert str(told) == (
        "Forecast: 850 tokens a second, about 6,200 MB at the peak, 1.5 hours for 1,000 steps, 0.45 kWh, price 3.18"
    )


def test_what_the_settings_do_not_tell_is_not_made_up() -> None:
    told = forecast(1000, 5400.0, 850.0, 6200.0, TrainerSettings(price_per_kwh=0.4))
    assert (told.kwh, told.price) == (None, 0.0)
    assert str(told).endswith("1.5 hours for 1,000 steps")


def test_a_long_run_is_foretold_and_is_the_same_run(
    base: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unbroken = losses(train(recipe(), base, dataset, tmp_path / "without"))
    assert "Forecast" not in capsys.readouterr().err
    monkeypatch.setattr(probe, "FEW", 4)
    steps = []
    taken = BudgetTrainer.training_step

    def step(self: BudgetTrainer, model: Any, inputs: dict[str, Any], items: Any = None) -> Any:
        steps.append(inputs["input_ids"].shape[1])
        return taken(self, model, inputs, items)

    monkeypatch.setattr(BudgetTrainer, "training_step", step)
    probed = losses(train(recipe(), base, dataset, tmp_path / "with", TrainerSettings(watts=100)))
    said = capsys.readouterr().err
    assert said.count("Forecast: ") == 1 and " hours for 4 steps, 0.00 kWh" in said
    assert probed == unbroken
    assert len(steps) == 4 + 4 and steps[0] == max(steps)  # the longest records come first


def test_a_run_of_minutes_is_not_probed(
    base: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(probe, "FEW", 4)
    train(recipe(time_budget=599), base, dataset, tmp_path / "out")
    assert "Forecast" not in capsys.readouterr().err


# -- out of memory


@pytest.mark.parametrize(("size", "steps", "wanted"), [(4, 1, (2, 2)), (6, 2, (3, 4)), (9, 1, (3, 3)), (5, 2, (1, 10))])
def test_a_smaller_batch_keeps_the_records_of_a_step(size: int, steps: int, wanted: tuple[int, int]) -> None:
    smaller = halved(recipe(batch_size=size, gradient_accumulation=steps))
    assert (smaller.batch_size, smaller.gradient_accumulation) == wanted
    assert smaller.batch_size * smaller.gradient_accumulation == size * steps


def test_a_single_record_that_does_not_fit_is_one_line() -> None:
    with pytest.raises(RecipeError, match="one record a batch: turn on gradient_checkpointing, lower sequence_length"):
        halved(recipe(batch_size=1))
    with pytest.raises(RecipeError, match="one record a batch: lower sequence_length"):
        halved(recipe(batch_size=1, gradient_checkpointing=True))


def test_memory_is_told_from_other_errors() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert out_of_memory(caught.value)
    assert out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    assert not out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_other_errors_are_not_swallowed() -> None:
    def attempt(one: Recipe) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        until_it_fits(recipe(), attempt, lambda line: None)


def test_a_batch_that_does_not_fit_is_halved_and_the_loss_is_the_same(
    base: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = recipe(batch_size=8, max_steps=2, dropout=0.0)
    whole = losses(train(wanted, base, dataset, tmp_path / "whole"))
    taken = BudgetTrainer.compute_loss

    def small_card(self: BudgetTrainer, model: Any, inputs: dict[str, Any], *rest: Any, **options: Any) -> Any:
        if len(inputs["input_ids"]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return taken(self, model, inputs, *rest, **options)

    monkeypatch.setattr(BudgetTrainer, "compute_loss", small_card)
    capsys.readouterr()
    pieces = losses(train(wanted, base, dataset, tmp_path / "pieces"))
    said = [line.strip() for line in capsys.readouterr().err.splitlines() if "Out of memory" in line]
    assert [line.split(",")[0] for line in said] == [
        "Out of memory with batches of 8: going on with 4",
        "Out of memory with batches of 4: going on with 2",
    ]
    assert pieces == pytest.approx(whole, abs=1e-4)
    run_with = Recipe.model_validate_json((tmp_path / "pieces" / "recipe.json").read_bytes())
    assert (run_with.batch_size, run_with.gradient_accumulation) == (2, 4)


def test_out_of_memory_during_the_run_goes_on_from_the_checkpoint(
    base: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = recipe(batch_size=4, max_steps=4, dropout=0.0, checkpoint_steps=1)
    whole = losses(train(wanted, base, dataset, tmp_path / "whole"))
    taken = BudgetTrainer.compute_loss
    begun = []

    def fills_up(self: BudgetTrainer, model: Any, inputs: dict[str, Any], *rest: Any, **options: Any) -> Any:
        if len(inputs["input_ids"]) > 2 and self.state.global_step == 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        begun.append(self.state.global_step)
        return taken(self, model, inputs, *rest, **options)

    monkeypatch.setattr(BudgetTrainer, "compute_loss", fills_up)
    pieces = losses(train(wanted, base, dataset, tmp_path / "pieces"))
    assert begun == [0, 1, 2, 2, 3, 3]  # two batches a step after it, and no step twice
    assert pieces == pytest.approx(whole, abs=1e-4)
