"""Training that goes on from an adapter: what is new, what is replayed, what it learns, which adapters it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from bundle.errors import DatasetError, RecipeError
from bundle.records import EVAL, TRAIN, Provenance, Record, read_records, write_records
from bundle.stage import silent
from bundle.template import PromptTemplate
from trainer.base import base_template
from trainer.continuing import Changes, choose, compare
from trainer.encoding import IGNORED, Example, encode
from trainer.lineage import HELD_OUT, Lineage, fingerprint, load_lineage
from trainer.recipe import Recipe
from trainer.settings import Continuing, TrainerSettings
from trainer.stage import run

ORIGIN = Provenance(source="package", package="numpy", version="2", symbol="numpy.sum", kind="usage", licence="BSD")
RECIPE = Recipe(description="test", batch_size=2, learning_rate=1e-2, held_out_records=0, epochs=4, warmup_steps=3)


def record(number: int, answer: str = "", version: str = "2") -> Record:
    origin = ORIGIN.model_copy(update={"version": version})
    return Record(
        instruction=f"How do I use function {number}?",
        output=answer or f"Call `np.f{number}()`, and then print it.",
        provenance=origin,
    )


OLD = [record(number) for number in range(12)]
CORRECTED = record(1, "It is called `np.g1()` now.")
NEW = [record(number, f"Function {number} is a new one: see `np.h{number}`.") for number in range(20, 23)]
NEXT = [CORRECTED, *OLD[2:], *NEW]
"""The next version: number 0 is gone, number 1 has another answer, three came."""


def write_dataset(folder: Path, train: Iterable[Record]) -> Path:
    folder.mkdir()
    write_records(folder / TRAIN, train)
    write_records(folder / EVAL, [record(100), record(101)])
    return folder


def train(base: Path, dataset: Path, out: Path, before: Path | None = None, recipe: Recipe = RECIPE) -> Path:
    out.mkdir()
    settings = TrainerSettings(continuing=Continuing(replay=0.5, epochs=3))
    run(recipe, base, dataset, base_template(base, ""), out, silent, None, settings, before)
    return out


@pytest.fixture(scope="module")
def base(make_base: Callable[..., Path]) -> Path:
    return make_base()


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that was trained on the old records."""
    folder = tmp_path_factory.mktemp("old")
    return train(base, write_dataset(folder / "dataset", OLD), folder / "adapter")


def loss(base: Path, adapter: Path, records: Iterable[Record]) -> float:
    """Mean loss of the records' answers, in nats a token."""
    template, tokenizer = base_template(base, ""), AutoTokenizer.from_pretrained(base)
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter)
    total, count = 0.0, 0
    for example in encode(records, template, tokenizer, 512).examples:
        with torch.no_grad():
            out = model(torch.tensor([example.input_ids]), labels=torch.tensor([example.labels]))
        tokens = sum(label != IGNORED for label in example.labels)
        total, count = total + float(out.loss) * tokens, count + tokens
    return total / count


def lineage(records: Iterable[Record]) -> Lineage:
    return Lineage(base="", records=tuple(one.digest for one in records))


def test_records_are_told_apart_by_their_texts() -> None:
    changes = compare(lineage(OLD), [one.digest for one in NEXT])
    assert changes.new == {CORRECTED.digest, *(one.digest for one in NEW)}
    assert changes.old == {one.digest for one in OLD[2:]}
    assert changes.removed == {OLD[0].digest, OLD[1].digest}
    assert str(changes) == "4 new records, 10 old ones, 2 gone"
    again = compare(lineage(OLD), [record(number, version="3").digest for number in reversed(range(12))])
    assert again == Changes(frozenset(), frozenset(one.digest for one in OLD), frozenset())
    assert record(1).digest != record(1).model_copy(update={"input": "x"}).digest


def test_old_records_are_drawn_by_the_seed_from_the_new_dataset() -> None:
    digests = [one.digest for one in NEXT]
    examples = [Example([line], [line], line) for line in range(1, len(NEXT) + 1)]

    def lines(replay: float, seed: int = 0) -> list[int]:
        return [one.line for one in choose(examples, digests, lineage(OLD), replay, seed).examples]

    new = [1, 12, 13, 14]
    assert lines(0) == new
    assert len(lines(0.5)) == 4 + 2 and set(new) < set(lines(0.5)) and lines(0.5) == sorted(lines(0.5))
    assert lines(0.5) == lines(0.5) and len({tuple(lines(0.5, seed)) for seed in range(8)}) > 1
    assert lines(99) == list(range(1, 15))
    # The draw is of records, wherever they stand in the file.
    backwards = [Example([line], [line], 15 - line) for line in range(1, 15)]
    drawn = choose(backwards, digests[::-1], lineage(OLD), 0.5, 0)
    assert sorted(15 - one.line for one in drawn.examples) == lines(0.5)
    assert str(drawn) == "4 new records and 2 of 10 old ones"
    with pytest.raises(DatasetError, match="no record is new"):
        choose(examples, digests, lineage(NEXT), 0.5, 0)


def test_it_goes_on_from_the_weights_and_learns_what_is_new(base: Path, adapter: Path, tmp_path: Path) -> None:
    held_out = list(read_records(adapter / HELD_OUT))
    assert [one.instruction for one in held_out] == [record(100).instruction, record(101).instruction]
    assert load_lineage(adapter) == Lineage(base=fingerprint(base), records=tuple(sorted(one.digest for one in OLD)))

    out = train(base, write_dataset(tmp_path / "next", NEXT), tmp_path / "adapter", adapter)
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["records_available"], summary["records_new"]) == (6, 4)
    assert summary["steps"] == 9  # three passes over three batches: fewer than the recipe's four
    rates = [json.loads(line)["learning_rate"] for line in (out / "training.jsonl").read_text().splitlines()]
    assert rates[0] == max(rates)  # nine steps have no room for a warm-up of three
    learnt = [CORRECTED, *NEW]
    assert loss(base, out, learnt) < 0.8 * loss(base, adapter, learnt)
    # What was learnt before is still there: the weights are the old ones with a little more in them.
    fresh = train(base, write_dataset(tmp_path / "alone", learnt), tmp_path / "fresh")
    assert loss(base, out, OLD[2:]) < loss(base, fresh, OLD[2:])
    assert load_lineage(out).records == tuple(sorted(one.digest for one in NEXT))
    assert load_lineage(out).continued == 1


def test_it_begins_with_the_old_adapters_loss(base: Path, adapter: Path, tmp_path: Path) -> None:
    """The held-out loss before the first step is that of the old adapter, not of the base."""
    recipe = RECIPE.model_copy(update={"held_out_records": 2, "max_steps": 1})
    out = train(base, write_dataset(tmp_path / "next", NEXT), tmp_path / "adapter", adapter, recipe)
    before = json.loads((out / "summary.json").read_text())["held_out_loss_before"]
    assert before == pytest.approx(loss(base, adapter, [record(100), record(101)]), rel=1e-3)


def test_nothing_new_trains_nothing(base: Path, adapter: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nothing to train"):
        train(base, write_dataset(tmp_path / "same", OLD[3:]), tmp_path / "out", adapter)
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"rank": 8}, "trained with rank = 16, and the recipe has 8 now"),
        ({"target_modules": ["q_proj"]}, r'target_modules = "all-linear", and the recipe has \["q_proj"\] now'),
        ({"dora": True}, "dora = false, and the recipe has true now"),
    ],
)
def test_an_adapter_of_another_shape_is_one_line(
    base: Path, adapter: Path, tmp_path: Path, values: dict[str, object], said: str
) -> None:
    recipe = Recipe.model_validate(RECIPE.model_dump() | values)
    with pytest.raises(RecipeError, match=said) as caught:
        train(base, write_dataset(tmp_path / "next", NEXT), tmp_path / "out", adapter, recipe)
    assert "or train from scratch with `boffin build --force train`" in str(caught.value)


def test_another_base_of_the_same_shape_is_one_line(base: Path, adapter: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for file in base.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    assert fingerprint(other) == fingerprint(base)
    weights = load_file(other / "model.safetensors")
    save_file({name: tensor * 1.01 for name, tensor in weights.items()}, other / "model.safetensors", {"format": "pt"})
    with pytest.raises(RecipeError, match="trained on another base model than"):
        train(other, write_dataset(tmp_path / "next", NEXT), tmp_path / "out", adapter)


def test_another_template_or_no_lineage_is_one_line(base: Path, adapter: Path, tmp_path: Path) -> None:
    before = tmp_path / "before"
    before.mkdir()
    for file in adapter.iterdir():
        if file.is_file():
            (before / file.name).write_bytes(file.read_bytes())
    dataset = write_dataset(tmp_path / "next", NEXT)
    template = PromptTemplate.model_validate_json((before / "template.json").read_bytes())
    (before / "template.json").write_text(template.model_copy(update={"system_prompt": "Hi."}).model_dump_json())
    with pytest.raises(RecipeError, match="trained with another prompt template"):
        train(base, dataset, tmp_path / "a", before)
    (before / "lineage.json").write_text("{}")
    with pytest.raises(RecipeError, match="nothing tells what the adapter was trained on"):
        train(base, dataset, tmp_path / "b", before)


def test_damaged_weights_are_one_line(base: Path, adapter: Path, tmp_path: Path) -> None:
    before = tmp_path / "before"
    before.mkdir()
    for file in adapter.iterdir():
        if file.is_file():
            (before / file.name).write_bytes(file.read_bytes())
    weights = load_file(before / "adapter_model.safetensors")
    name = next(iter(weights))
    save_file(
        {"other" if key == name else key: tensor for key, tensor in weights.items()},
        before / "adapter_model.safetensors",
    )
    with pytest.raises(RecipeError, match="training can't go on from it"):
        train(base, write_dataset(tmp_path / "next", NEXT), tmp_path / "out", before)


def test_a_specialist_learns_a_librarys_records_and_no_others(base: Path, adapter: Path, tmp_path: Path) -> None:
    other = ORIGIN.model_copy(update={"package": "pandas"})
    theirs = [
        record(number, f"Function {number} is of pandas: `pd.p{number}`.").model_copy(update={"provenance": other})
        for number in range(6)
    ]
    dataset = write_dataset(tmp_path / "dataset", [*OLD, *theirs])
    out = tmp_path / "out"
    out.mkdir()
    settings = TrainerSettings(continuing=Continuing(epochs=3))
    given = (RECIPE, base, dataset, base_template(base, ""))
    result = run(*given, out, silent, None, settings, adapter, "pandas")
    assert result.came_in.startswith("6 records")
    assert "9 steps" in result.went_out  # three times six records, two a step
    assert load_lineage(out).records == tuple(sorted(one.digest for one in theirs))
    assert loss(base, out, theirs) < 0.8 * loss(base, adapter, theirs)
    with pytest.raises(DatasetError, match=r"train\.jsonl: no record is about scipy; leave it out of trainer"):
        run(*given, tmp_path / "none", silent, None, settings, adapter, "scipy")
