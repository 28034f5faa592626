"""Records as token ids, drawn at random with a seed: what is measured, and where in it the answer begins.

Prompt and answer are tokenised apart, as in training and in serving. Knows nothing about models.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bundle.records import Record
from bundle.template import PromptTemplate

LONGEST = 1024
"""Most tokens of a passage; longer records are left out, for the memory that their logits would take."""
_SHOWN = 60


@dataclass(frozen=True)
class Passage:
    """A record as the model reads it."""

    tokens: tuple[int, ...]
    first: int
    """Where the answer begins; everything from there on is predicted and measured, nothing before it."""
    end: int
    """Where the end of the turn begins."""
    name: str
    """How a person finds the record again."""

    @property
    def targets(self) -> tuple[int, ...]:
        """The answer's tokens, the end of the turn among them."""
        return self.tokens[self.first :]


def draw(
    records: Sequence[Record], count: int, template: PromptTemplate, tokenizer: Any, *, seed: int = 0
) -> list[Passage]:
    """At most `count` records, drawn with a seed, in the order in which they were drawn."""
    passages: list[Passage] = []
    for passage in drawn(records, template, tokenizer, seed=seed):
        if len(passages) == count:
            break
        passages.append(passage)
    return passages


def drawn(records: Sequence[Record], template: PromptTemplate, tokenizer: Any, *, seed: int = 0) -> Iterator[Passage]:
    """All records in a seeded order, without those that are too long.

    Those with a control token's text in them are left out, too: training and serving take it as plain text, and
    nothing here could tell.
    """
    order = list(records)
    random.Random(seed).shuffle(order)
    control = [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
    for record in order:
        if any(text in record.message or text in record.output for text in control):
            continue
        passage = _passage(record, template, tokenizer)
        if len(passage.tokens) <= LONGEST:
            yield passage


def _passage(record: Record, template: PromptTemplate, tokenizer: Any) -> Passage:
    prompt, answer = template.example(record.message, record.output)
    before = tokenizer.encode(prompt, add_special_tokens=False)
    after = tokenizer.encode(answer, add_special_tokens=False)
    end = len(tokenizer.encode(template.end_of_turn, add_special_tokens=False))
    question = " ".join(record.instruction.split())
    shown = question if len(question) <= _SHOWN else question[: _SHOWN - 1] + "…"
    name = f"{record.provenance.symbol} (“{shown}”)"
    return Passage((*before, *after), len(before), len(before) + len(after) - end, name)
