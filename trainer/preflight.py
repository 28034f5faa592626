"""The preflight: what would make a run train the wrong thing stops it before the first step, with one line each.

Looks at the token ids, the label mask, the collator and the model that are really used. Knows nothing about how they
were made, nor about time, memory or money: that is the probe's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from trl import SFTTrainer

from bundle.errors import BaseModelError, DatasetError, RecipeError, TemplateError
from bundle.template import PromptTemplate
from trainer.encoding import IGNORED, Encoded, Example
from trainer.recipe import Recipe

_ANSWERS = ("The answer", "```python\nimport json\n```")
"""How answers begin, in words and in code; at these no token may reach over from the prompt."""
_SHARES = (0.0001, 0.10)
"""Shares of trained parameters that LoRA normally has; others are most likely a slip in `rank` or `target_modules`."""


def check_texts(
    train: Encoded,
    held_out: Encoded,
    template: PromptTemplate,
    tokenizer: Any,
    dataset: Path,
    sequence_length: int,
    allow_too_long: float,
) -> list[str]:
    """Check what is trained on, before a model is loaded; returns notes for a person.

    `allow_too_long` is the share of the training records that may be left out for their length.

    Raises:
        TemplateError: the ids aren't those that the appliance will send, or no single token ends an answer.
        DatasetError: too much is left out, or a record has no answer.
    """
    _check_template(template, tokenizer)
    end = _end_token(template, tokenizer)
    for name, encoded in (("train", train), ("held-out", held_out)):
        for example in encoded.examples:
            _check_labels(example, end, tokenizer, f"{dataset}: line {example.line} of the {name} records")
    return _too_long(train, dataset, sequence_length, allow_too_long)


def check_model(trainer: SFTTrainer, base: Path, recipe: Recipe) -> list[str]:
    """Check the model and how batches are made, before the first step; returns notes for a person.

    Raises:
        BaseModelError: the base was quantised before, or has fewer embeddings than its tokenizer has tokens.
        RecipeError: the end of an answer is lost when a batch is padded.
    """
    _check_base(base, recipe)
    _check_embeddings(trainer, base)
    _check_collator(trainer)
    trained, every = trainer.accelerator.unwrap_model(trainer.model).get_nb_trainable_parameters()
    share = trained / every
    low, high = _SHARES
    if low <= share <= high:
        return []
    usual = f"LoRA's usual share is {low:.2%} to {high:.0%}; look at rank and target_modules"
    return [f"{share:.3%} of the parameters are trained: {usual}"]


def _check_template(template: PromptTemplate, tokenizer: Any) -> None:
    """One BOS at most, and the one that the template writes; the prompt ends where a token ends."""
    for answer in _ANSWERS:
        prompt, rest = template.example("What is a probe?", answer)
        ids = tokenizer.encode(prompt, add_special_tokens=False)
        whole = tokenizer.encode(prompt + rest, add_special_tokens=False)
        if whole[: len(ids)] != ids:
            raise TemplateError(
                f"the base model's prompt template ends in {prompt[-10:]!r}, and an answer merges with it into one "
                "token, which the appliance never sends; choose another base model or template"
            )
    written = _leading(prompt, template.bos_token)
    found = next((place for place, id_ in enumerate(ids) if id_ != tokenizer.bos_token_id), len(ids))
    if found > 1:
        cause = "the template writes more than one" if written > 1 else "the tokenizer adds its own to the template's"
        raise TemplateError(
            f"the prompt begins with {found} BOS tokens ({cause}), the appliance sends one; mend the base model's "
            "chat template or tokenizer"
        )
    if found != written:
        raise TemplateError(
            f"the prompt's text begins with {written} BOS and its token ids with {found}; mend the base model's "
            "tokenizer, or choose another base model"
        )


def _leading(text: str, part: str) -> int:
    """How often `text` begins with `part`."""
    count = 0
    while part and text.startswith(part, count * len(part)):
        count += 1
    return count


def _end_token(template: PromptTemplate, tokenizer: Any) -> int:
    """The token that ends an answer."""
    end = template.end_of_turn
    ids: list[int] = tokenizer.encode(end, add_special_tokens=False)
    token = tokenizer.added_tokens_decoder.get(ids[0]) if len(ids) == 1 else None
    if token is None or not token.special:
        raise TemplateError(
            f"the template ends an answer with {end!r}, which is {len(ids)} tokens of text and no special token of the "
            "base model's, so that the appliance would not stop there; choose another base model or template"
        )
    return ids[0]


def _check_labels(example: Example, end: int, tokenizer: Any, where: str) -> None:
    """Nothing of the prompt, then the whole answer, then its end."""
    trained = [label for label in example.labels if label != IGNORED]
    if trained != example.input_ids[len(example.labels) - len(trained) :]:
        raise DatasetError(f"{where}: other tokens than the answer's are trained; run `boffin curate` to write it anew")
    if not trained:
        raise DatasetError(f"{where}: nothing in it is trained; remove the record, or run `boffin curate` anew")
    if trained[-1] != end:
        raise DatasetError(f"{where}: its answer doesn't end with the end of turn; remove the record")
    # A long answer isn't blank.
    if len(trained) < 10 and not tokenizer.decode(trained[:-1]).strip():
        raise DatasetError(f"{where}: its answer is empty; remove the record, or run `boffin curate` anew")


def _too_long(train: Encoded, dataset: Path, sequence_length: int, allowed: float) -> list[str]:
    """What is left out for its length, and what it has in common."""
    if not train.too_long:
        return []
    every = train.too_long + len(train.examples)
    share = train.too_long / every
    said = (
        f"{train.too_long:,} of {every:,} records ({share:.0%}) are longer than {sequence_length:,} tokens and left "
        f"out, most of them {_most(train.too_long_kinds)}"
    )
    if share > allowed:
        raise DatasetError(
            f"{dataset}: {said}; raise the recipe's sequence_length, or allow it with "
            f"`trainer.allow_too_long = {min(1.0, share + 0.05):.2f}`"
        )
    return [said]


def _most(counts: Mapping[str, int]) -> str:
    """The three largest counts."""
    largest = sorted(counts.items(), key=lambda item: -item[1])[:3]
    return ", ".join(f"{name} ({count:,})" for name, count in largest)


def _check_base(base: Path, recipe: Recipe) -> None:
    """A base that comes quantised can't be merged into, so that its adapter could never be shipped."""
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    if config.get("quantization_config"):
        how = "the recipe quantises it itself" if recipe.quantise_base != "none" else "a recipe can quantise it itself"
        raise BaseModelError(f"{base}: the base model comes quantised; name the unquantised one ({how})")


def _check_embeddings(trainer: SFTTrainer, base: Path) -> None:
    """Each token has an embedding, but for one that stands for images: bases that see none may share its tokenizer."""
    tokenizer = trainer.processing_class
    rows = trainer.model.get_input_embeddings().num_embeddings
    image = getattr(tokenizer, "image_token_id", None)
    beyond = {text: id_ for text, id_ in tokenizer.get_vocab().items() if id_ >= rows and id_ != image}
    if beyond:
        raise BaseModelError(
            f"{base}: its tokenizer has {len(beyond)} tokens more than the model has embeddings ({rows:,}), e.g. "
            f"{min(beyond, key=beyond.__getitem__)!r}; take the tokenizer that belongs to the model"
        )


def _check_collator(trainer: SFTTrainer) -> None:
    """In a batch of the shortest and the longest row, every trained label is still there, and nothing else is."""
    lengths = [len(ids) for ids in trainer.train_dataset["input_ids"]]
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    rows = [trainer.train_dataset[place] for place in (order[0], order[-1])]
    batch = trainer.data_collator(rows)
    if _trained(batch["labels"].flatten().tolist()) != [label for row in rows for label in _trained(row["labels"])]:
        pad = trainer.processing_class.pad_token
        raise RecipeError(
            f"labels are lost when a batch is padded: padding is masked by its id, and {pad!r} is also an answer's "
            "token; give the base model's tokenizer a pad_token of its own"
        )


def _trained(labels: Iterable[int]) -> list[int]:
    return [label for label in labels if label != IGNORED]
