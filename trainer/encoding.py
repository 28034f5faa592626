"""Records as token ids and labels: exactly what the appliance will send, and only the answer is trained.

The prompt and the answer are tokenised apart, since the appliance tokenises the prompt alone and the model then
continues it. Knows nothing about models or optimisers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from bundle.errors import RecipeError
from bundle.records import Record
from bundle.template import PromptTemplate

IGNORED = -100
"""The label of a token that isn't trained."""


class Tokenizer(Protocol):
    """The one thing that is asked of a tokenizer here."""

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """Token ids of a text."""


@dataclass(frozen=True)
class Example:
    """One record, ready to train on: both lists have one entry a token."""

    input_ids: list[int]
    labels: list[int]


@dataclass(frozen=True)
class Encoded:
    """Encoded records, and how many were too long."""

    examples: list[Example]
    too_long: int

    @property
    def tokens(self) -> int:
        """All tokens of all examples."""
        return sum(len(example.input_ids) for example in self.examples)


def encode(records: Iterable[Record], template: PromptTemplate, tokenizer: Tokenizer, sequence_length: int) -> Encoded:
    """Encode records; those longer than `sequence_length` tokens are left out and counted.

    Raises:
        RecipeError: the template has no end of turn, so the model would never learn to stop.
    """
    if not template.end_of_turn:
        raise RecipeError("the base model's prompt template has no end of turn; the model would never learn to stop")
    examples = []
    too_long = 0
    for record in records:
        prompt, answer = template.example(record.question, record.output)
        prompt_ids = tokenizer.encode(prompt, add_special_tokens=False)
        answer_ids = tokenizer.encode(answer, add_special_tokens=False)
        if len(prompt_ids) + len(answer_ids) > sequence_length:
            too_long += 1
            continue
        examples.append(Example(prompt_ids + answer_ids, [IGNORED] * len(prompt_ids) + answer_ids))
    return Encoded(examples, too_long)
