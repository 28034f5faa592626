"""Preferences as token ids: which pairs of answers may be trained on, and which are held out to measure on.

Prompt and answers become the ids that training on records and serving have, too (encoding.py). A verdict on a held-out
record is left out, so that what the evaluation asks never becomes training data. Knows nothing about models.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from datasets import Dataset

from bundle.digests import digest_text
from bundle.errors import DatasetError
from bundle.preferences import Preference
from bundle.template import PromptTemplate
from trainer.encoding import IGNORED, Encoded, Encoder, Example, Tokenizer

HELD_OUT = 5
"""One question in so many is held out, with all of its pairs."""
FEWEST = 20
"""Pairs below which nothing but these very answers could be learnt."""
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Pair:
    """Two answers to one question, ready to train on; both end with the end of turn."""

    prompt_ids: list[int]
    chosen_ids: list[int]
    rejected_ids: list[int]
    line: int
    """The preference's line in its file, from 1."""

    @property
    def rows(self) -> tuple[list[int], list[int]]:
        """The two sequences that the model sees, the preferred one first."""
        return self.prompt_ids + self.chosen_ids, self.prompt_ids + self.rejected_ids


@dataclass(frozen=True)
class Pairs:
    """The pairs of a preferences file, and how many were left out."""

    train: list[Pair]
    held_out: list[Pair]
    leaked: int
    """Verdicts on questions that are held out for the evaluation."""
    same: int
    """Pairs whose answers are the same."""
    too_long: int
    """Pairs of which an answer is too long together with its prompt."""

    def check(self, file: Path, sequence_length: int, allow_too_long: float) -> list[str]:
        """Check that there is enough to learn from and to measure on; returns notes for a person.

        `allow_too_long` is the share that may be left out for its length.

        Raises:
            DatasetError: too few are left, or too many are too long.
        """
        notes = []
        if self.leaked:
            notes.append(f"{self.leaked:,} of the pairs are verdicts on held-out questions and were left out")
        if self.same:
            notes.append(f"{self.same:,} of the pairs have the same answer twice and were left out")
        kept = len(self.train) + len(self.held_out)
        if self.too_long:
            share = self.too_long / (self.too_long + kept)
            said = f"{self.too_long:,} of the pairs are longer than {sequence_length:,} tokens and were left out"
            if share > allow_too_long:
                raise DatasetError(
                    f"{file}: {said} ({share:.0%}); raise the recipe's sequence_length, or allow it with "
                    f"`trainer.allow_too_long = {min(1.0, share + 0.05):.2f}`"
                )
            notes.append(said)
        if kept < FEWEST or not self.train or not self.held_out:
            left_out = f" ({'; '.join(notes)})" if notes else ""
            raise DatasetError(
                f"{file}: too few preferences: {len(self.train)} pairs to train on and {len(self.held_out)} held out "
                f"by their question, while {FEWEST} are needed and some on each side{left_out}; collect more votes"
            )
        return notes


def make_pairs(
    preferences: Iterable[tuple[int, Preference]],
    held_out_questions: Iterable[str],
    template: PromptTemplate,
    tokenizer: Tokenizer,
    sequence_length: int,
) -> Pairs:
    """Encode preferences, given with their lines' numbers, and put each on its side.

    The side is a hash of the question, so that it stays the same as votes come in.

    Raises:
        TemplateError: the template has no fixed end of an answer.
    """
    encoder = Encoder(template, tokenizer)
    questions = [words for question in held_out_questions if (words := _words(question)).strip()]
    train: list[Pair] = []
    held_out: list[Pair] = []
    leaked = same = too_long = 0
    for line, preference in preferences:
        words = _words(preference.prompt)
        if any(question in words for question in questions):
            leaked += 1
        elif preference.chosen.strip() == preference.rejected.strip():
            same += 1
        else:
            prompt = encoder.prompt(preference.prompt)
            pair = Pair(prompt, encoder.answer(preference.chosen), encoder.answer(preference.rejected), line)
            if max(map(len, pair.rows)) > sequence_length:
                too_long += 1
            else:
                (held_out if _is_held_out(words) else train).append(pair)
    return Pairs(train, held_out, leaked, same, too_long)


def as_examples(pairs: Sequence[Pair]) -> Encoded:
    """Each answer as an example of its own, for the checks that records go through, too."""
    examples = [
        Example(pair.prompt_ids + answer, [IGNORED] * len(pair.prompt_ids) + answer, pair.line)
        for pair in pairs
        for answer in (pair.chosen_ids, pair.rejected_ids)
    ]
    return Encoded(examples, 0)


def as_dataset(pairs: Sequence[Pair]) -> Dataset:
    """The pairs as rows that TRL takes."""
    names = ("prompt_ids", "chosen_ids", "rejected_ids")
    return Dataset.from_list([{name: getattr(pair, name) for name in names} for pair in pairs])


def _words(text: str) -> str:
    """A question's words, so that neither case, spaces nor marks matter, in spaces so that one can hold another."""
    return f" {' '.join(_WORD.findall(text.casefold()))} "


def _is_held_out(words: str) -> bool:
    return int(digest_text(words)[:8], 16) % HELD_OUT == 0
