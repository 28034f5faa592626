"""A candidate's answers from a file of JSON lines, found by question or by id.

Outside input: every line is checked, and every question has to have its answer before anybody else is asked. Knows
nothing about endpoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bundle.errors import EvaluationError
from bundle.records import Record
from evaluation.candidate import Recording
from evaluation.endpoint import Answer
from evaluation.escape import one_line
from evaluation.suite.question import Question


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    answer: str
    question: str = ""
    id: str = ""
    """A suite's question's id, or a held-out record's digest."""
    candidate: str = ""
    finish_reason: str = "stop"
    tokens: int = Field(default=0, ge=0)
    seconds: float = Field(default=0, ge=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _of_something(self) -> Self:
        if not (self.question or self.id):
            raise ValueError("neither `question` nor `id` says what it answers")
        return self


def recorded_answers(
    recording: Recording, records: Sequence[Record], suite: Sequence[Question]
) -> tuple[list[Answer], list[Answer]]:
    """The answers to the held-out records and to the suite's questions, along them.

    Raises:
        EvaluationError: there is no such file, a line can't be used, two answer the same, or an answer is missing.
    """
    found = _read(recording)
    places = [(record.digest, record.question) for record in records]
    places += [(question.id, question.text) for question in suite]
    answers = [found.get(id) or found.get(text) for id, text in places]
    missing = [text for (_, text), answer in zip(places, answers, strict=True) if answer is None]
    if missing:
        raise EvaluationError(
            f"{recording.path}: no answer to {len(missing)} of {len(places)} questions, e.g. "
            f"{one_line(missing[0], 60)!r}; record them, or ask what was asked there"
        )
    known = [answer for answer in answers if answer]
    return known[: len(records)], known[len(records) :]


def _read(recording: Recording) -> dict[str, Answer]:
    """Question or id → answer."""
    path = recording.path
    found: dict[str, Answer] = {}
    others: set[str] = set()
    try:
        with path.open(encoding="utf-8-sig") as handle:
            for number, text in enumerate(handle, start=1):
                if not text.strip():
                    continue
                line = _parse(f"{path}:{number}", text)
                if recording.candidate and line.candidate != recording.candidate:
                    others.add(line.candidate)
                    continue
                answer = Answer(line.answer, line.finish_reason, line.tokens, line.seconds)
                for key in {line.id or line.question, line.question or line.id}:
                    if found.setdefault(key, answer) != answer:
                        raise EvaluationError(
                            f"{path}:{number}: another answer to {one_line(key, 60)!r}; take one of them out, or name "
                            "whose are meant as `candidate`"
                        )
    except UnicodeDecodeError:
        raise EvaluationError(f"{path}: not text in UTF-8; name a file of JSON lines") from None
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise EvaluationError(f"{path}: no such file; name a file of JSON lines") from None
    if not found and others:
        have = one_line(", ".join(sorted(others)))
        raise EvaluationError(f"{path}: nothing of candidate {one_line(recording.candidate)}; it has {have}")
    return found


def _parse(where: str, text: str) -> _Line:
    try:
        return _Line.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the line"
        reason = one_line(first["msg"].removeprefix("Value error, "))
        raise EvaluationError(f"{where}: can't be used at {one_line(place)} ({reason}); write a JSON object") from None
