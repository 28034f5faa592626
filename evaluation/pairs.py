"""Pairs: what the first two candidates answered to the same question, read out of answers.jsonl.

Knows nothing about who judges them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from bundle.digests import digest_value
from bundle.errors import EvaluationError
from evaluation.answers import ANSWERS
from evaluation.verdict import Side


@dataclass(frozen=True)
class Pair:
    """One question with two answers."""

    question: str
    reference: str
    """The reference answer."""
    first: str
    """What the first candidate answered."""
    second: str

    @property
    def digest(self) -> str:
        """Stands for the four texts, so that no verdict ever counts for other answers: 32 hexadecimal digits."""
        return digest_value([self.question, self.reference, self.first, self.second])[:32]

    def answer(self, side: Side) -> str:
        """A candidate's answer."""
        return self.first if side == "first" else self.second


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    candidate: str
    set: str
    question: str
    reference: str
    answer: str


def read_pairs(report: Path) -> list[Pair]:
    """The pairs of a report's folder, each once, in an order that depends on their texts alone.

    Raises:
        EvaluationError: there are no answers, a line is none, or there is only one candidate.
    """
    path = report / ANSWERS
    said: dict[str, dict[str, list[_Line]]] = defaultdict(lambda: defaultdict(list))
    for line in _lines(path):
        said[line.candidate][line.set].append(line)
    if len(said) < 2:
        raise EvaluationError(f"{path}: answers of one candidate; two are needed to compare them")
    first, second = list(said.values())[:2]
    pairs: dict[str, Pair] = {}
    for name, lines in first.items():
        if [line.question for line in lines] != [line.question for line in second[name]]:
            raise EvaluationError(f"{path}: damaged (the candidates were asked other questions); {_ANEW}")
        for one, other in zip(lines, second[name], strict=True):
            pair = Pair(one.question, one.reference, one.answer, other.answer)
            pairs[pair.digest] = pair
    return [pairs[digest] for digest in sorted(pairs)]


_ANEW = "run `boffin evaluate --force` to write it anew"


def _lines(path: Path) -> Iterator[_Line]:
    if not path.is_file():
        raise EvaluationError(f"{path}: no answers here; run `boffin evaluate` first")
    with path.open("rb") as handle:
        for number, line in enumerate(handle, start=1):
            try:
                yield _Line.model_validate_json(line)
            except ValidationError as error:
                where = ".".join(map(str, error.errors()[0]["loc"])) or "its start"
                raise EvaluationError(f"{path}:{number}: damaged at {where}; {_ANEW}") from None
