"""What a project's own artefacts say about its cost: the evaluation's answers, the adapter, the dataset, a benchmark.

Reads files; outside input is checked. Knows nothing about prices.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bundle.errors import EvaluationError
from bundle.records import TRAIN
from evaluation.cost.settings import LEAST, MOST
from evaluation.escape import one_line
from evaluation.report import REPORT, load_report

ANSWERS = "answers.jsonl"
"""The evaluation's file beside a report."""
SUMMARY = "summary.json"
"""The trainer's file beside an adapter."""
_SERVED = "benchmarks/results/serve.json (`make bench-serve`)"
TEMPLATE_TOKENS = 10
"""Tokens that a chat template puts around a question, about."""
_MOST_TOKENS = 1_000_000_000
"""What no prompt and no answer has."""


@dataclass(frozen=True)
class Measurement:
    """A value, and how it was come by."""

    value: float
    origin: str


@dataclass(frozen=True)
class Measured:
    """What was found; None where there is nothing."""

    prompt_tokens: Measurement | None = None
    answer_tokens: Measurement | None = None
    tokens_a_second: Measurement | None = None
    training_hours: Measurement | None = None
    examples: Measurement | None = None


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    candidate: str
    set: str = "held-out"
    question: str
    answer: str
    tokens: int = Field(ge=0, le=_MOST_TOKENS)
    prompt_tokens: int | None = Field(default=None, ge=0, le=_MOST_TOKENS)


class _Summary(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    seconds: float = Field(ge=LEAST, le=MOST)


def measure(report: Path, adapter: Path, dataset: Path, system_prompt: str = "") -> Measured:
    """Look into a project's report, adapter and dataset; any of the folders may be missing.

    Raises:
        EvaluationError: one of them is there and damaged.
    """
    prompt = answer = speed = None
    if (report / REPORT).is_file():
        found = load_report(report)
        candidate = found.order[min(1, len(found.order) - 1)]
        metrics = found.candidates[candidate]
        who = f"evaluation, {one_line(candidate, 40)}"
        for name in ("tokens", "tokens_per_second"):
            if name in metrics and not _is_usual(metrics[name].mean) and metrics[name].mean != 0:
                raise EvaluationError(
                    f"{report / REPORT}: damaged at candidates.{one_line(candidate, 40)}.{name} "
                    f"({metrics[name].mean:g}); run `boffin evaluate` anew"
                )
        if "tokens" in metrics and metrics["tokens"].mean:
            answer = Measurement(metrics["tokens"].mean, f"{who}, {found.questions} answers")
        if "tokens_per_second" in metrics and metrics["tokens_per_second"].mean:
            speed = Measurement(metrics["tokens_per_second"].mean, f"{who}, {found.concurrency} at once")
        if (report / ANSWERS).is_file():
            prompt = _prompt_tokens(report / ANSWERS, candidate, system_prompt)
    return Measured(prompt, answer, speed, _training_hours(adapter / SUMMARY), _examples(dataset / TRAIN))


def read_benchmark(path: Path) -> Measurement:
    """The highest `tokens_per_second` among the rows of a benchmark's results file.

    Raises:
        EvaluationError: there is no such file, or nothing of the kind in it.
    """
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        reason = "not JSON"
        if isinstance(error, OSError):
            reason = "no such file" if isinstance(error, FileNotFoundError) else f"can't be read ({error.strerror})"
        raise EvaluationError(f"{path}: {reason}; name a results file such as {_SERVED}") from None
    rows = content.get("rows") if isinstance(content, dict) else None
    speeds = [
        float(row["tokens_per_second"])
        for row in (rows.values() if isinstance(rows, dict) else rows if isinstance(rows, list) else [])
        if isinstance(row, dict) and _is_rate(row.get("tokens_per_second"))
    ]
    if not speeds:
        raise EvaluationError(f"{path}: no row has a `tokens_per_second`; name {_SERVED}, or give --tokens-a-second")
    return Measurement(max(speeds), f"benchmark, {one_line(path.name, 40)}")


def _is_rate(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and _is_usual(value)


def _is_usual(value: float) -> bool:
    return LEAST <= value <= MOST


def _prompt_tokens(path: Path, candidate: str, system_prompt: str) -> Measurement | None:
    """The mean length of the held-out records' prompts; where it wasn't counted, an estimate from their characters.

    That has the questions and the system prompt at the characters a token that the answers have, without passages.
    """
    asked = said = tokens = counted = count = 0
    unknown = False
    for line in _answers(path):
        if line.candidate == candidate and line.set == "held-out":
            asked, said, tokens, count = (
                asked + len(line.question),
                said + len(line.answer),
                tokens + line.tokens,
                count + 1,
            )
            counted, unknown = counted + (line.prompt_tokens or 0), unknown or not line.prompt_tokens
    if count and not unknown:
        return Measurement(counted / count, f"evaluation, {one_line(candidate, 40)}, {count} prompts")
    if not (count and said and tokens):
        return None
    each = said / tokens
    value = (asked / count + len(system_prompt)) / each + TEMPLATE_TOKENS
    return Measurement(value, f"evaluation, estimated from {count} questions at {each:.1f} characters a token")


def _answers(path: Path) -> Iterator[_Answer]:
    with path.open(encoding="utf-8", errors="replace") as handle:
        for number, line in enumerate(handle, start=1):
            try:
                yield _Answer.model_validate_json(line)
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(str(part) for part in first["loc"]) or "line"
                raise EvaluationError(
                    f"{path}:{number}: damaged at {where} ({one_line(first['msg'])}); run `boffin evaluate` anew"
                ) from None


def _training_hours(path: Path) -> Measurement | None:
    if not path.is_file():
        return None
    try:
        seconds = _Summary.model_validate_json(path.read_bytes()).seconds
    except ValidationError as error:
        message = one_line(error.errors()[0]["msg"])
        raise EvaluationError(f"{path}: damaged at seconds ({message}); run `boffin train` anew") from None
    return Measurement(seconds / 3600, f"adapter, {seconds:,.0f} s on the machine that trained it")


def _examples(path: Path) -> Measurement | None:
    if not path.is_file():
        return None
    with path.open("rb") as handle:
        return Measurement(sum(1 for _ in handle), "dataset")
