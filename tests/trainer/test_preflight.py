"""The preflight: what is right passes, and each thing that would train the wrong thing is one line."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from transformers import AutoTokenizer
from trl import SFTConfig
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from bundle.errors import BaseModelError, BoffinError, DatasetError, RecipeError, TemplateError
from bundle.records import Provenance, Record
from bundle.template import REFERENCE_TEMPLATE, PromptTemplate
from trainer.base import base_template
from trainer.budget import Budget
from trainer.encoding import IGNORED, Encoded, Example, encode
from trainer.model import load_base, lora
from trainer.packing import pack
from trainer.preflight import check_model, check_texts
from trainer.preview import preview, visible, wants_colours
from trainer.recipe import Recipe
from trainer.sft import BudgetTrainer

ORIGIN = Provenance(source="package", package="numpy", version="2", symbol="numpy.sum", kind="usage", licence="BSD")
QUESTION, ANSWER = "How do I add them up?", "Use it:\n\n```python\nimport numpy as np\n\nprint(np.sum([1]))\n```\n"


def record(answer: str = ANSWER, kind: str = "usage", question: str = QUESTION) -> Record:
    return Record(instruction=question, output=answer, provenance=ORIGIN.model_copy(update={"kind": kind}))


def changed(template: PromptTemplate, **values: str) -> PromptTemplate:
    return PromptTemplate.model_validate(template.model_dump() | values)


def recipe(**values: object) -> Recipe:
    return Recipe.model_validate({"description": "test", "batch_size": 2, "rank": 1} | values)


@pytest.fixture(scope="module")
def base(make_base: Callable[..., Path]) -> Path:
    return make_base()


@pytest.fixture
def tokenizer(base: Path) -> Any:
    return AutoTokenizer.from_pretrained(base)


@pytest.fixture(scope="module")
def template(base: Path) -> PromptTemplate:
    return base_template(base, "Answer with code.")


def texts_problem(
    tokenizer: Any,
    template: PromptTemplate,
    kind: type[BoffinError],
    *records: Record,
    train: Encoded | None = None,
    allowed: float = 0.05,
) -> str:
    encoded = train or encode(records or [record()], template, tokenizer, 256)
    with pytest.raises(kind) as caught:
        check_texts(encoded, Encoded([], 0), template, tokenizer, Path("dataset"), 256, allowed)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def checked(
    base: Path, tokenizer: Any, tmp_path: Path, wanted: Recipe | None = None, rows: Dataset | None = None
) -> BudgetTrainer:
    """A trainer as the stage makes it."""
    one = wanted or recipe()
    budget = Budget(max_steps=1)
    options = SFTConfig(
        output_dir=str(tmp_path),
        per_device_train_batch_size=one.batch_size,
        packing=one.packing,
        max_length=None,
        max_steps=1,
        use_cpu=True,
        report_to="none",
        dataset_kwargs={"skip_prepare_dataset": True},
    )
    template = base_template(base, "")
    examples = encode([record(), record("Short.")], template, tokenizer, 256).examples
    data = [{"input_ids": example.input_ids, "labels": example.labels} for example in examples]
    return BudgetTrainer(
        model=load_base(base, one, torch.float32, "cpu"),
        args=options,
        train_dataset=rows or Dataset.from_list(data),
        processing_class=tokenizer,
        peft_config=lora(one),
        budget=budget,
    )


# -- the template


def test_a_right_dataset_passes_with_either_template(template: PromptTemplate, tokenizer: Any) -> None:
    reference = changed(template, source=REFERENCE_TEMPLATE)
    for one in (template, reference):
        encoded = encode([record(), record()], one, tokenizer, 256)
        assert check_texts(encoded, encoded, one, tokenizer, Path("dataset"), 256, 0.05) == []


def test_a_template_that_writes_the_beginning_twice(template: PromptTemplate, tokenizer: Any) -> None:
    twice = changed(template, source="{{ bos_token }}" + template.source)
    assert "begins with 2 BOS tokens (the template writes more" in texts_problem(tokenizer, twice, TemplateError)


def test_a_tokenizer_that_adds_a_beginning_of_its_own(
    template: PromptTemplate, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode_plain = tokenizer.encode
    monkeypatch.setattr(tokenizer, "encode", lambda text, **options: [1, *encode_plain(text, **options)])
    assert "the tokenizer adds its own" in texts_problem(tokenizer, template, TemplateError, record())


def test_a_beginning_that_is_no_token(template: PromptTemplate, tokenizer: Any) -> None:
    spelt = changed(template, source=REFERENCE_TEMPLATE, bos_token="<begin>")
    assert "begins with 1 BOS and its token ids with 0" in texts_problem(tokenizer, spelt, TemplateError)


def test_a_prompt_whose_last_token_reaches_into_the_answer(template: PromptTemplate, tokenizer: Any) -> None:
    merging = changed(template, source=REFERENCE_TEMPLATE.replace("### Answer:\n", "### Answer: "))
    assert "merges with it into one token" in texts_problem(tokenizer, merging, TemplateError)


def test_a_generation_prompt_that_is_not_at_the_end(template: PromptTemplate, tokenizer: Any) -> None:
    turns = template.source.split("{% if add_gen")[0]
    early = changed(template, source="{% if add_generation_prompt %}GO{% endif %}" + turns)
    train = Encoded([Example([1, 2], [IGNORED, 2])], 0)
    assert "between its generation prompt and the answer" in texts_problem(tokenizer, early, TemplateError, train=train)


# -- the end of an answer


def test_an_end_that_is_text_and_no_special_token(template: PromptTemplate, tokenizer: Any) -> None:
    spelt = changed(template, source=template.source.replace("<|im_end|>", "<|the_end|>"))
    assert "'<|the_end|>', which is" in texts_problem(tokenizer, spelt, TemplateError)


def test_an_end_that_is_a_token_but_not_a_special_one(template: PromptTemplate, tokenizer: Any) -> None:
    tokenizer.add_tokens(["<the_end>"])
    spelt = changed(template, source=template.source.replace("<|im_end|>", "<the_end>"))
    assert "no special token" in texts_problem(tokenizer, spelt, TemplateError)


def test_an_answer_that_lacks_its_end(template: PromptTemplate, tokenizer: Any) -> None:
    example = encode([record()], template, tokenizer, 256).examples[0]
    cut = Encoded([replace(example, input_ids=example.input_ids[:-1], labels=example.labels[:-1])], 0)
    line = texts_problem(tokenizer, template, DatasetError, train=cut)
    assert line.startswith("dataset: line 1 of the train records: its answer doesn't end")


# -- the labels


@pytest.mark.parametrize("answer", ["", "  \n"])
def test_an_empty_answer(template: PromptTemplate, tokenizer: Any, answer: str) -> None:
    assert "line 2 of the train records: its answer is empty" in texts_problem(
        tokenizer, template, DatasetError, record(), record(answer)
    )


def test_a_fully_masked_answer(template: PromptTemplate, tokenizer: Any) -> None:
    example = encode([record()], template, tokenizer, 256).examples[0]
    masked = Encoded([replace(example, labels=[IGNORED] * len(example.labels))], 0)
    assert "nothing in it is trained" in texts_problem(tokenizer, template, DatasetError, train=masked)


def test_a_prompt_that_is_trained(template: PromptTemplate, tokenizer: Any) -> None:
    example = encode([record()], template, tokenizer, 256).examples[0]
    labels = [example.input_ids[0], *example.labels[1:]]
    shown = Encoded([replace(example, labels=labels)], 0)
    assert "other tokens than the answer's" in texts_problem(tokenizer, template, DatasetError, train=shown)


def test_the_text_of_an_end_token_within_a_record_stays_text(template: PromptTemplate, tokenizer: Any) -> None:
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    usual = encode([record()], template, tokenizer, 256).examples[0]
    hostile = record(f"It ends <|im_end|> here. {ANSWER}", question=f"What is <|im_end|>, and {QUESTION}")
    example = encode([hostile], template, tokenizer, 256).examples[0]
    assert example.input_ids.count(end) == usual.input_ids.count(end)
    assert [label for label in example.labels if label == end] == [end] == example.labels[-1:]
    assert tokenizer.decode(example.input_ids) == "".join(template.example(hostile.question, hostile.output))


def test_too_many_long_records(template: PromptTemplate, tokenizer: Any) -> None:
    kinds = ["usage"] * 3 + ["what"] * 2 + ["returns", "errors"]
    records = [record("word " * 300, kind) for kind in kinds] + [record()] * 93
    line = texts_problem(tokenizer, template, DatasetError, *records)
    assert "7 of 100 records (7%) are longer than 256 tokens and left out" in line
    assert "most of them usage (3), what (2), returns (1); " in line and "errors" not in line
    allowed = re.search(r"trainer\.allow_too_long = ([\d.]+)", line)
    assert allowed
    encoded = encode(records, template, tokenizer, 256)
    notes = check_texts(encoded, encoded, template, tokenizer, Path("dataset"), 256, float(allowed[1]))
    assert [note.split(" (")[0] for note in notes] == ["7 of 100 records"]


# -- the model and its batches


def test_a_right_model_passes_though_its_padding_is_its_end_token(base: Path, tokenizer: Any, tmp_path: Path) -> None:
    assert tokenizer.pad_token == tokenizer.eos_token == "<|im_end|>"
    assert check_model(checked(base, tokenizer, tmp_path), base, recipe()) == []


def test_packed_rows_pass(base: Path, tokenizer: Any, tmp_path: Path, template: PromptTemplate) -> None:
    examples = encode([record(), record("Short."), record()], template, tokenizer, 256).examples
    rows = pack(Dataset.from_list([{"input_ids": one.input_ids, "labels": one.labels} for one in examples]), 128)
    packing = recipe(packing=True)
    assert check_model(checked(base, tokenizer, tmp_path, packing, rows), base, packing) == []


def test_a_collator_that_masks_padding_by_its_id(base: Path, tokenizer: Any, tmp_path: Path) -> None:
    class ByIdentity(DataCollatorForLanguageModeling):  # type: ignore[misc, unused-ignore]
        def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
            batch: dict[str, Any] = super().torch_call(examples)
            batch["labels"][batch["labels"] == self.pad_token_id] = IGNORED
            return batch

    trainer = checked(base, tokenizer, tmp_path)
    trainer.data_collator = ByIdentity(pad_token_id=tokenizer.pad_token_id)
    with pytest.raises(RecipeError, match=r"masked by its id, and '<\|im_end\|>' is also"):
        check_model(trainer, base, recipe())


def test_a_base_that_comes_quantised(make_base: Callable[..., Path], tokenizer: Any, tmp_path: Path) -> None:
    quantised = make_base()
    trainer = checked(quantised, tokenizer, tmp_path)
    config = json.loads((quantised / "config.json").read_text())
    (quantised / "config.json").write_text(json.dumps(config | {"quantization_config": {"load_in_4bit": True}}))
    with pytest.raises(BaseModelError, match="comes quantised; name the unquantised one"):
        check_model(trainer, quantised, recipe())


def test_a_tokenizer_with_more_tokens_than_embeddings(base: Path, tokenizer: Any, tmp_path: Path) -> None:
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    with pytest.raises(BaseModelError, match=r"1 tokens more than the model has embeddings \(49,152\), e.g. '\[PAD\]'"):
        check_model(checked(base, tokenizer, tmp_path), base, recipe())


def test_one_token_for_images_that_the_model_does_not_see(base: Path, tokenizer: Any, tmp_path: Path) -> None:
    tokenizer.add_tokens(["<image_soft_token>"], special_tokens=True)
    tokenizer.image_token_id = tokenizer.convert_tokens_to_ids("<image_soft_token>")
    assert tokenizer.image_token_id == 49152
    assert check_model(checked(base, tokenizer, tmp_path), base, recipe()) == []


def test_an_unusual_share_of_trained_parameters_is_a_note(base: Path, tokenizer: Any, tmp_path: Path) -> None:
    large = recipe(rank=512)
    (note,) = check_model(checked(base, tokenizer, tmp_path, large), base, large)
    assert re.match(r"\d\d\.\d+% of the parameters are trained: LoRA's usual share is 0.01% to 10%", note)


# -- the preview


def test_the_preview_shows_prompt_and_answer_as_they_are_masked(template: PromptTemplate, tokenizer: Any) -> None:
    examples = encode([record()], template, tokenizer, 256).examples
    coloured = preview(examples, tokenizer, colours=True)
    body = coloured.split("\n", 1)[1]
    prompt, answer = template.example(QUESTION, ANSWER)

    def of(colour: str) -> str:
        return "".join(re.findall(re.escape(colour) + r"(.*?)\x1b\[0m", body))

    assert of("\x1b[36m") == prompt.replace("\n", "")
    assert of("\x1b[32m") == answer.replace("\n", "")
    plain = preview(examples, tokenizer, colours=False)
    assert "\x1b" not in plain
    assert f"\n[prompt] {prompt}[answer] {answer}" in plain


def test_the_preview_follows_the_mask_and_not_the_template(template: PromptTemplate, tokenizer: Any) -> None:
    example = encode([record()], template, tokenizer, 256).examples[0]
    wrong = replace(example, labels=example.input_ids)
    assert "[prompt]" not in preview([wrong], tokenizer, colours=False)


def test_what_could_steer_a_terminal_is_written_out(template: PromptTemplate, tokenizer: Any) -> None:
    hostile = record("\x1b]0;owned\x07\x1b[2J \u202egnp.exe \x9b31m\r done")
    examples = encode([hostile], template, tokenizer, 256).examples
    shown = preview(examples, tokenizer, colours=False)
    assert all(character == "\n" or character.isprintable() for character in shown)
    assert r"\x1b]0;owned\x07\x1b[2J \u202egnp.exe \x9b31m\r done" in shown
    assert visible("naïve 漢字 🙂\n") == "naïve 漢字 🙂\n"


@pytest.mark.parametrize(
    ("terminal", "variables", "wanted"),
    [
        (True, {"TERM": "xterm"}, True),
        (False, {"TERM": "xterm"}, False),
        (True, {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
    ],
)
def test_colours_are_for_terminals_that_take_them(terminal: bool, variables: dict[str, str], wanted: bool) -> None:
    stream = io.StringIO()
    stream.isatty = lambda: terminal  # type: ignore[method-assign]
    assert wants_colours(stream, variables) is wanted
