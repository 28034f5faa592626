"""Records as token ids and labels: exactly what the appliance will send, and only the answer is trained.

The prompt and the answer are tokenised apart, since the appliance tokenises the prompt alone and the model then
continues it. A record may contain the text of a control token (`<|im_end|>`, say, in an answer about chat templates);
as in the appliance it stays text there, or the answer would end at it. Knows nothing about models or optimisers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from bundle.errors import RecipeError
from bundle.records import Record
from bundle.template import PromptTemplate

IGNORED = -100
"""The label of a token that isn't trained."""
_MARK = "\ufdd0"
"""A Unicode noncharacter, as the appliance takes it: it breaks the control tokens' texts in a question."""


class Tokenizer(Protocol):
    """What is asked of a tokenizer here."""

    @property
    def added_tokens_decoder(self) -> Mapping[int, Any]:
        """The tokens that aren't split, by id; `special` ones are control tokens."""

    def encode(self, text: str, *, add_special_tokens: bool, split_special_tokens: bool = False) -> list[int]:
        """Token ids of a text; where special tokens are split, their texts are plain text."""


@dataclass(frozen=True)
class Example:
    """One record, ready to train on: both lists have one entry a token."""

    input_ids: list[int]
    labels: list[int]
    line: int = 0
    """The record's line in its file, from 1."""


@dataclass(frozen=True)
class Encoded:
    """Encoded records, and how many were too long."""

    examples: list[Example]
    too_long: int
    too_long_kinds: Mapping[str, int] = field(default_factory=dict)
    """How many of each kind of question were too long."""

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
    encoder = Encoder(template, tokenizer)
    examples = []
    too_long: Counter[str] = Counter()
    for line, record in enumerate(records, start=1):
        prompt_ids, answer_ids = encoder.prompt(record.message), encoder.answer(record.output)
        if len(prompt_ids) + len(answer_ids) > sequence_length:
            too_long[record.provenance.kind] += 1
            continue
        examples.append(Example(prompt_ids + answer_ids, [IGNORED] * len(prompt_ids) + answer_ids, line))
    return Encoded(examples, too_long.total(), too_long)


class Encoder:
    """Tokenises the two halves of a training text."""

    def __init__(self, template: PromptTemplate, tokenizer: Tokenizer) -> None:
        """`template` has an end of turn."""
        self._template = template
        self._tokenizer = tokenizer
        self._control = {token.content: id_ for id_, token in tokenizer.added_tokens_decoder.items() if token.special}
        # The longest first, as llama.cpp looks for them.
        texts = sorted(self._control, key=len, reverse=True)
        self._look_alike = re.compile("|".join(map(re.escape, texts)) if texts else r"(?!)")

    def prompt(self, question: str) -> list[int]:
        """The ids of a user's message as it is served, up to where the answer begins."""
        clean = question.replace(_MARK, "")
        marked = self._look_alike.sub(lambda match: _MARK.join(match[0]), clean)
        text = self._template.render([{"role": "user", "content": marked}])
        if marked == clean:
            return self._tokenizer.encode(text, add_special_tokens=False)
        ids: list[int] = []
        place = 0
        for match in self._look_alike.finditer(text):  # the template's own, since those in the question are broken
            ids += self._plain(text[place : match.start()].replace(_MARK, ""))
            ids.append(self._control[match[0]])
            place = match.end()
        return ids + self._plain(text[place:].replace(_MARK, ""))

    def answer(self, text: str) -> list[int]:
        """The ids of an answer and of its end of turn."""
        end = self._template.end_of_turn
        if self._look_alike.search(text):
            return self._plain(text) + self._tokenizer.encode(end, add_special_tokens=False)
        return self._tokenizer.encode(text + end, add_special_tokens=False)

    def _plain(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
