"""Preference training for real on a tiny model: the margin rises, against the right reference, on the right tokens."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from bundle.errors import DatasetError, RecipeError
from bundle.preferences import Preference, read_preferences
from bundle.records import EVAL, TRAIN, read_records
from bundle.stage import silent
from bundle.template import PromptTemplate
from convert.merge import merge
from trainer.base import base_template
from trainer.budget import Budget
from trainer.dpo import PreferenceTrainer, dpo_arguments
from trainer.encoding import IGNORED, encode
from trainer.pairs import make_pairs
from trainer.preference_recipe import PreferenceRecipe
from trainer.preference_stage import as_dataset, load_adapted, run
from trainer.recipe import Recipe
from trainer.settings import TrainerSettings
from trainer.stage import run as train

RECIPE = PreferenceRecipe(description="test", batch_size=4, learning_rate=3e-3, epochs=4, sequence_length=128)
GOOD, BAD = "Call `{}()` and print what it returns.", "No idea what {} is, sorry."


def votes(count: int = 40) -> list[Preference]:
    names = [f"{word}{number}" for number in range(count // 4) for word in ("sum", "mean", "sort", "load")]
    return [
        Preference(prompt=f"What does {name} do?", chosen=GOOD.format(name), rejected=BAD.format(name))
        for name in names
    ]


def write(path: Path, preferences: list[Preference]) -> Path:
    path.write_text("".join(one.model_dump_json(exclude_defaults=True) + "\n" for one in preferences))
    return path


@pytest.fixture(scope="module")
def base(make_base: Callable[..., Path]) -> Path:
    return make_base()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory, write_dataset: Callable[[Path], None]) -> Path:
    folder = tmp_path_factory.mktemp("dataset")
    write_dataset(folder)
    return folder


@pytest.fixture(scope="module")
def adapter(base: Path, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What training on records gives: an adapter that has moved away from its base."""
    folder = tmp_path_factory.mktemp("adapter")
    recipe = Recipe(description="test", learning_rate=1e-2, batch_size=4, dropout=0.1, epochs=3, held_out_records=0)
    train(recipe, base, dataset, base_template(base, "Be brief."), folder, silent)
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "preferred"
    folder.mkdir()
    return folder


def template_of(adapter: Path) -> PromptTemplate:
    return PromptTemplate.model_validate_json((adapter / "template.json").read_bytes())


def log_of(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "training.jsonl").read_text().splitlines()]


def test_the_held_out_margin_rises_and_the_adapter_merges(
    base: Path, adapter: Path, dataset: Path, out: Path, tmp_path: Path
) -> None:
    result = run(RECIPE, base, adapter, dataset, write(tmp_path / "votes.jsonl", votes()), out, silent)
    summary = json.loads((out / "summary.json").read_text())
    # The reference is what training starts from, so nothing has a reward before the first step.
    assert summary["reward_margin_before"] == 0
    assert summary["held_out_loss_before"] == pytest.approx(0.69315, abs=1e-4)  # the logarithm of 2
    assert summary["reward_margin_after"] > 0.5
    assert summary["reward_accuracy_after"] == 1
    assert summary["held_out_loss_after"] < 0.6
    assert (summary["pairs_available"] + summary["pairs_held_out"], summary["pairs_leaked"]) == (40, 0)
    entries = log_of(out)
    held_out = [entry for entry in entries if "held_out_loss" in entry]
    assert [entry["reward_margin"] for entry in held_out] == [0, summary["reward_margin_after"]]
    assert [entry.get("reward_accuracy") for entry in held_out] == [None, 1]
    steps = [entry for entry in entries if "loss" in entry]
    assert [entry["step"] for entry in steps] == list(range(1, summary["steps"] + 1))
    assert steps[0]["reward_margin"] == 0 < steps[-1]["reward_margin"]
    assert f"held-out reward margin 0.000 → {summary['reward_margin_after']:.3f}" in result.notes[0]
    assert "held-out reward margin" in (out / "margin.svg").read_text()
    assert PreferenceRecipe.model_validate_json((out / "recipe.json").read_bytes()) == RECIPE
    assert template_of(out) == template_of(adapter)

    assert sorted(path.name for path in out.rglob("*.safetensors")) == ["adapter_model.safetensors"]
    before, after = (load_file(folder / "adapter_model.safetensors") for folder in (adapter, out))
    assert before.keys() == after.keys()
    assert all(not torch.equal(before[name], after[name]) for name in before if "lora_B" in name)
    adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), out).eval()
    (tmp_path / "merged").mkdir()
    merge(base, out, tmp_path / "merged", "float32")
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged").eval()
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        torch.testing.assert_close(merged(ids).logits, adapted(ids).logits, rtol=1e-3, atol=1e-3)


def answer_log_probabilities(model: PreTrainedModel, rows: list[tuple[list[int], int]]) -> torch.Tensor:
    """The log-probability of each row's last tokens, summed; a row comes with how many these are."""
    sums = []
    for ids, answer in rows:
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0].float().log_softmax(-1)
        sums.append(sum(logits[place - 1, ids[place]] for place in range(len(ids) - answer, len(ids))))
    return torch.stack(sums)


def test_the_reference_is_the_trained_adapter_and_stays_so(base: Path, adapter: Path, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base)
    pairs = make_pairs(enumerate(votes(), start=1), [], template_of(adapter), tokenizer, 128).train
    budget = Budget(max_steps=3)
    trainer = PreferenceTrainer(
        model=load_adapted(base, adapter, RECIPE, torch.float32, "cpu"),
        args=dpo_arguments(RECIPE, budget, tmp_path, torch.float32, "cpu"),
        train_dataset=as_dataset(pairs),
        processing_class=tokenizer,
        budget=budget,
    )
    plain = AutoModelForCausalLM.from_pretrained(base).eval()
    bare = [
        answer_log_probabilities(plain, [(pair.rows[side], len(answer))])
        for pair in pairs[:3]
        for side, answer in enumerate((pair.chosen_ids, pair.rejected_ids))
    ]
    tuned = PeftModel.from_pretrained(plain, adapter).eval()
    chosen, rejected = (
        answer_log_probabilities(
            tuned, [(pair.rows[side], len((pair.chosen_ids, pair.rejected_ids)[side])) for pair in pairs[:3]]
        )
        for side in (0, 1)
    )

    def check() -> None:
        batch = trainer.data_collator([trainer.train_dataset[number] for number in range(3)])
        trainer.model.eval()
        found = trainer.compute_ref_log_probs(trainer.model, batch)
        torch.testing.assert_close(found[0], chosen, rtol=1e-4, atol=1e-3)
        torch.testing.assert_close(found[1], rejected, rtol=1e-4, atol=1e-3)
        assert (torch.cat(bare)[::2] - found[0]).abs().min() > 1

    check()
    trainer.train()
    policy = answer_log_probabilities(
        trainer.model.eval(), [(pair.rows[0], len(pair.chosen_ids)) for pair in pairs[:3]]
    )
    assert (policy - chosen).abs().min() > 0.1
    check()


def test_the_tokens_are_those_of_training_and_serving(base: Path, adapter: Path, dataset: Path) -> None:
    tokenizer, template = AutoTokenizer.from_pretrained(base), template_of(adapter)
    text = "What does <|im_end|> do?"  # the text of a control token is text in a question, and in an answer
    vote = Preference(prompt=text, chosen="It ends a turn: <|im_end|>.", rejected="Nothing.")
    (pair,) = [*(made := make_pairs([(7, vote)], [], template, tokenizer, 128)).train, *made.held_out]
    for row, answer in zip(pair.rows, (vote.chosen, vote.rejected), strict=True):
        record = next(read_records(dataset / TRAIN)).model_copy(update={"instruction": text, "output": answer})
        example = encode([record], template, tokenizer, 128).examples[0]
        assert row == example.input_ids
        assert [label for label in example.labels if label != IGNORED] in (pair.chosen_ids, pair.rejected_ids)
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert pair.chosen_ids[-1] == pair.rejected_ids[-1] == end
    assert pair.chosen_ids.count(end) == 1 and pair.line == 7


def test_verdicts_on_held_out_records_never_are_trained_on(
    base: Path, adapter: Path, dataset: Path, out: Path, tmp_path: Path
) -> None:
    questions = [record.question for record in read_records(dataset / EVAL)]
    leaks = [
        Preference(prompt=prompt, chosen="Leaked.", rejected="Not.")
        for prompt in (questions[0], questions[1].upper().replace(" ", "\n "), f"Hello! {questions[2]} Thanks.")
    ]
    same = [Preference(prompt="What is one?", chosen="It is 1.", rejected="It is 1.\n")]
    file = write(tmp_path / "votes.jsonl", [*votes(), *leaks, *same])
    tokenizer = AutoTokenizer.from_pretrained(base)
    pairs = make_pairs(read_preferences(file), questions, template_of(adapter), tokenizer, 128)
    assert (pairs.leaked, pairs.same, len(pairs.train) + len(pairs.held_out)) == (3, 1, 40)
    assert max(pair.line for pair in [*pairs.train, *pairs.held_out]) == 40
    recipe = RECIPE.model_copy(update={"max_steps": 1})
    result = run(recipe, base, adapter, dataset, file, out, silent)
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["pairs_leaked"], summary["pairs_same"]) == (3, 1)
    assert any(note.startswith("3 of the pairs are verdicts on held-out questions") for note in result.notes)
    assert any(note.startswith("1 of the pairs have the same answer twice") for note in result.notes)


def test_a_question_keeps_its_side_as_votes_come_in(base: Path, adapter: Path) -> None:
    tokenizer, template = AutoTokenizer.from_pretrained(base), template_of(adapter)

    def held_out(preferences: list[Preference]) -> set[str]:
        pairs = make_pairs(enumerate(preferences), [], template, tokenizer, 128).held_out
        return {preferences[pair.line].prompt for pair in pairs}

    few, many = held_out(votes(100)), held_out(votes(400)[::-1])
    assert few <= many and len(many) == pytest.approx(80, abs=25)
    again = [vote.model_copy(update={"prompt": f" {vote.prompt.upper()}"}) for vote in votes(100)]
    assert len(held_out(again)) == len(few)


@pytest.mark.parametrize(
    ("preferences", "said"),
    [
        (votes()[:19], "too few preferences: 1"),
        ([votes()[0]] * 40, "some on each side"),
        (
            [*votes(), *(one.model_copy(update={"rejected": "No. " * 200}) for one in votes()[:10])],
            "longer than 128 tok",
        ),
    ],
)
def test_what_is_not_enough_to_learn_from_is_refused(
    preferences: list[Preference], said: str, base: Path, adapter: Path, dataset: Path, out: Path, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match=said) as caught:
        run(RECIPE, base, adapter, dataset, write(tmp_path / "votes.jsonl", preferences), out, silent)
    assert "votes.jsonl: " in str(caught.value) and "\n" not in str(caught.value)


def test_longer_pairs_may_be_allowed(base: Path, adapter: Path, dataset: Path, out: Path, tmp_path: Path) -> None:
    long = [one.model_copy(update={"rejected": "No. " * 200}) for one in votes()[:10]]
    file = write(tmp_path / "votes.jsonl", [*votes(), *long])
    settings = TrainerSettings(allow_too_long=0.25)
    run(RECIPE.model_copy(update={"max_steps": 1}), base, adapter, dataset, file, out, silent, settings=settings)
    assert json.loads((out / "summary.json").read_text())["pairs_too_long"] == 10


def test_a_loss_that_is_not_finite_names_the_lines(
    base: Path, adapter: Path, dataset: Path, out: Path, tmp_path: Path
) -> None:
    recipe = RECIPE.model_copy(update={"learning_rate": 1e30, "max_grad_norm": 1e30, "batch_size": 2})
    file = write(tmp_path / "votes.jsonl", votes())
    with pytest.raises(RecipeError, match=r"the loss is (nan|inf) at step 2; lower .*votes\.jsonl, line \d+, \d+$"):
        run(recipe, base, adapter, dataset, file, out, silent)


def test_four_bits_and_their_note(
    base: Path, adapter: Path, dataset: Path, out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = RECIPE.model_copy(update={"quantise_base": "nf4", "gradient_checkpointing": True, "max_steps": 6})
    run(recipe, base, adapter, dataset, write(tmp_path / "votes.jsonl", votes()), out, silent)
    summary = json.loads((out / "summary.json").read_text())
    assert abs(summary["reward_margin_before"]) < 1e-3 < summary["reward_margin_after"]
    said = capsys.readouterr().err
    assert "trained with quantise_base = 'none' and goes on with 'nf4'" in said
    assert "[answer] Call `" in said and "No idea what" not in said


def test_an_adapter_of_another_base_is_one_line(
    make_base: Callable[..., Path], adapter: Path, dataset: Path, out: Path, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match=r"can't be put onto its base \(.*mismatch") as caught:
        run(RECIPE, make_base(hidden=32), adapter, dataset, write(tmp_path / "votes.jsonl", votes()), out, silent)
    assert "\n" not in str(caught.value)


def test_several_processes_are_refused(
    base: Path, adapter: Path, dataset: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RecipeError, match="without the launcher"):
        run(RECIPE, base, adapter, dataset, write(tmp_path / "votes.jsonl", votes()), out, silent)


def test_a_batch_that_trl_would_pad_otherwise_is_refused(base: Path, adapter: Path, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base)
    pairs = make_pairs(enumerate(votes(), start=1), [], template_of(adapter), tokenizer, 128).train
    trainer = PreferenceTrainer(
        model=load_adapted(base, adapter, RECIPE, torch.float32, "cpu"),
        args=dpo_arguments(RECIPE, Budget(max_steps=3), tmp_path, torch.float32, "cpu"),
        train_dataset=as_dataset(pairs),
        processing_class=tokenizer,
        budget=Budget(max_steps=3),
    )
    trainer.check_batch()
    trainer.data_collator.max_length = 20
    with pytest.raises(RecipeError, match="other tokens of a pair"):
        trainer.check_batch()


class Stopped(Exception):
    """The run was cut off."""


def test_a_run_that_was_cut_off_ends_as_an_unbroken_one(
    base: Path, adapter: Path, dataset: Path, tmp_path: Path
) -> None:
    recipe = RECIPE.model_copy(update={"checkpoint_steps": 3, "max_steps": 7, "evaluation_steps": 2})
    file = write(tmp_path / "votes.jsonl", votes())
    folders = unbroken, resumed = tmp_path / "unbroken", tmp_path / "resumed"
    for folder in folders:
        folder.mkdir()
    run(recipe, base, adapter, dataset, file, unbroken, silent)

    def cut_off(what: str, done: float = 0, total: float = 0, unit: str = "") -> None:
        if what == "training" and done == 5:
            raise Stopped

    with pytest.raises(Stopped):
        run(recipe, base, adapter, dataset, file, resumed, cut_off, tmp_path / "kept")
    assert not list(resumed.iterdir())
    result = run(recipe, base, adapter, dataset, file, resumed, silent, tmp_path / "kept")
    assert "went on from the checkpoint of step 3" in result.notes
    expected, found = log_of(unbroken), log_of(resumed)
    assert [entry["step"] for entry in expected] == [0, 1, 2, 2, 3, 4, 4, 5, 6, 6, 7, 7]
    for before, after in zip(expected, found, strict=True):
        assert before.keys() == after.keys()
        for name in before.keys() & {"step", "loss", "held_out_loss", "reward_margin", "learning_rate", "tokens"}:
            assert after[name] == pytest.approx(before[name], rel=1e-4, abs=1e-4), (before["step"], name)
