"""Training for real on a tiny model: what is trained, when it stops, what is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from bundle.errors import DatasetError, RecipeError
from bundle.records import EVAL, TRAIN, Provenance, Record, write_records
from bundle.stage import silent
from bundle.template import PromptTemplate
from trainer.base import base_template
from trainer.encoding import IGNORED, encode
from trainer.recipe import Recipe
from trainer.stage import run

ORIGIN = Provenance(source="package", package="numpy", version="2", symbol="numpy.sum", kind="usage", licence="BSD")


def recipe(**values: object) -> Recipe:
    given = {"description": "test", "batch_size": 2, "learning_rate": 1e-2, "held_out_records": 2, "max_steps": 8}
    return Recipe.model_validate(given | values)


ANSWER = "Use it:\n\n```python\nimport numpy as np\n\nprint(np.sum([1]))\n```\n"


def record(number: int, answer: str = ANSWER) -> Record:
    return Record(instruction=f"How do I use function {number}?", output=answer, provenance=ORIGIN)


@pytest.fixture(scope="module")
def base(make_base: Callable[..., Path]) -> Path:
    return make_base()


@pytest.fixture(scope="module")
def template(base: Path) -> PromptTemplate:
    return base_template(base, "Answer with code.")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    folder = tmp_path / "dataset"
    folder.mkdir()
    write_records(folder / TRAIN, [record(number) for number in range(16)])
    write_records(folder / EVAL, [record(number) for number in (100, 101)])
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "adapter"
    folder.mkdir()
    return folder


def test_only_the_answer_and_its_end_are_trained(base: Path, template: PromptTemplate) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base)
    one = record(1)
    example = encode([one], template, tokenizer, 512).examples[0]
    prompt = template.render([{"role": "user", "content": one.question}])
    served = tokenizer.encode(prompt, add_special_tokens=False)
    assert example.input_ids[: len(served)] == served
    assert example.labels[: len(served)] == [IGNORED] * len(served)
    assert tokenizer.decode(example.labels[len(served) :]) == one.output + "<|im_end|>"
    assert example.labels[-1] == tokenizer.convert_tokens_to_ids("<|im_end|>")


def test_a_long_record_is_left_out_and_counted(base: Path, template: PromptTemplate) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base)
    encoded = encode([record(1), record(2, "word " * 600)], template, tokenizer, 256)
    assert (len(encoded.examples), encoded.too_long) == (1, 1)


def test_the_loss_falls_and_everything_is_written(
    base: Path, template: PromptTemplate, dataset: Path, out: Path
) -> None:
    result = run(recipe(), base, dataset, template, out, silent)
    summary = json.loads((out / "summary.json").read_text())
    assert summary["held_out_loss_after"] < summary["held_out_loss_before"]
    assert (summary["steps"], summary["stopped_by"], summary["records_seen"]) == (8, "steps", 16)
    lines = [json.loads(line) for line in (out / "training.jsonl").read_text().splitlines()]
    log = [entry for entry in lines if "loss" in entry]
    assert [entry["step"] for entry in log] == list(range(1, 9))
    held_out = {entry["step"]: entry["held_out_loss"] for entry in lines if "held_out_loss" in entry}
    assert held_out == {0: summary["held_out_loss_before"], 8: summary["held_out_loss_after"]}
    assert log[-1]["learning_rate"] < log[0]["learning_rate"] <= 1e-2
    assert Recipe.model_validate_json((out / "recipe.json").read_bytes()) == recipe()
    assert PromptTemplate.model_validate_json((out / "template.json").read_bytes()) == template
    assert "8 steps" in result.went_out
    PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), out)


def test_the_time_budget_stops_it(base: Path, template: PromptTemplate, dataset: Path, out: Path) -> None:
    run(recipe(max_steps=None, epochs=10_000, time_budget=1.0), base, dataset, template, out, silent)
    summary = json.loads((out / "summary.json").read_text())
    assert summary["stopped_by"] == "time" and summary["steps"] < 80_000


def test_the_same_seed_gives_the_same_adapter(
    base: Path, template: PromptTemplate, dataset: Path, tmp_path: Path
) -> None:
    losses = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        run(recipe(seed=seed, max_steps=3), base, dataset, template, tmp_path / name, silent)
        log = (tmp_path / name / "training.jsonl").read_text().splitlines()
        losses.append([json.loads(line).get("loss") for line in log])
    assert losses[0] == losses[1] != losses[2]


def test_four_bits_train_on_the_processor(base: Path, template: PromptTemplate, dataset: Path, out: Path) -> None:
    run(recipe(quantise_base="nf4", max_steps=4), base, dataset, template, out, silent)
    summary = json.loads((out / "summary.json").read_text())
    assert summary["held_out_loss_after"] < summary["held_out_loss_before"]


def test_a_loss_that_is_not_finite_names_the_step_and_the_batch(
    base: Path, template: PromptTemplate, dataset: Path, out: Path
) -> None:
    with pytest.raises(RecipeError, match="the loss is nan at step 2; lower learning_rate") as caught:
        run(recipe(learning_rate=1e30, max_grad_norm=1e30), base, dataset, template, out, silent)
    assert str(caught.value).count("numpy.sum (“How do I use function ") == 2


def test_the_held_out_loss_stops_it_and_the_best_is_kept(
    base: Path, template: PromptTemplate, dataset: Path, out: Path
) -> None:
    # At this rate the loss rises after a few steps; the schedule would go on for 40.
    values = {"learning_rate": 0.3, "evaluation_steps": 1, "checkpoint_steps": 1, "early_stopping": 2}
    run(recipe(**values, max_steps=None, epochs=5, keep_best=True), base, dataset, template, out, silent)
    summary = json.loads((out / "summary.json").read_text())
    assert summary["stopped_by"] == "held-out loss" and summary["steps"] < 40
    lines = [json.loads(line) for line in (out / "training.jsonl").read_text().splitlines()]
    held_out = [line["held_out_loss"] for line in lines if "held_out_loss" in line and line["step"]]
    assert summary["held_out_loss_after"] == pytest.approx(min(held_out), abs=1e-4)
    assert min(held_out) < held_out[-1]


def test_nothing_that_fits_is_one_line(base: Path, template: PromptTemplate, dataset: Path, out: Path) -> None:
    with pytest.raises(DatasetError, match="no record fits into 16 tokens"):
        run(recipe(sequence_length=16), base, dataset, template, out, silent)
