"""The regression gate: the tuned model's answers against those that were accepted last, and against limits.

What was accepted is one file of answers with what was measured on them, small enough to be committed. Both are compared
question by question, on those questions that both were asked, by the rule of the refresh's gate. Knows nothing about
models or endpoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bundle.atomic import write_text
from bundle.errors import EvaluationError
from evaluation.answers import ANSWERS
from evaluation.bootstrap import Series
from evaluation.escape import one_line
from evaluation.estimate import compare
from evaluation.gate import judge_one
from evaluation.metric import METRICS
from evaluation.report import Report, load_report
from evaluation.settings import EvaluationSettings

Measures = dict[str, dict[str, tuple[float, float]]]
"""Metric → question → total and weight, as in a series."""


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    candidate: str
    set: str
    question: str
    loss: float | None = None
    reference_tokens: int | None = Field(default=None, ge=1)
    python_block: bool
    valid_python: bool
    existing_symbols: bool
    uses_symbol: bool = False
    ends_by_itself: bool
    repetition: float = 0
    complete: float = 0
    check: str | None = None

    def measures(self) -> dict[str, tuple[float, float]]:
        """Metric → total and weight."""
        names = ["valid_python", "existing_symbols", "ends_by_itself"]
        if self.set == "suite":
            values = {f"suite_{name}": float(getattr(self, name)) for name in names}
            values |= {"suite_complete": self.complete}
            values |= {"suite_passes": float(self.check == "passed")} if self.check is not None else {}
            return {name: (value, 1.0) for name, value in values.items()}
        values = {name: float(getattr(self, name)) for name in (*names, "python_block", "uses_symbol", "repetition")}
        found = {name: (value, 1.0) for name, value in values.items()}
        if self.loss is not None and self.reference_tokens:
            found["loss"] = (self.loss * self.reference_tokens, float(self.reference_tokens))
        return found


@dataclass(frozen=True)
class Outcome:
    """What the gate found."""

    failed: list[str]
    """A line for each metric that it stops for; empty lets the model pass."""
    compared: int
    """By how many metrics it was compared with what was accepted."""
    limited: int
    """How many limits it was held to."""


def gated(report: Report) -> str:
    """The candidate that is held to the gate: the tuned one."""
    return report.order[min(1, len(report.order) - 1)]


def accept(folder: Path, path: Path) -> int:
    """Write the gated candidate's answers of the report in `folder` to `path`; returns how many.

    Raises:
        EvaluationError: there is no report, or it can't be read.
    """
    own = [text for text, line in _lines(folder / ANSWERS) if line.candidate == gated(load_report(folder))]
    write_text(path, "".join(own))
    return len(own)


def check(folder: Path, accepted: Path, settings: EvaluationSettings) -> Outcome:
    """Hold the report in `folder` to the limits and, where there is one, to the accepted file.

    Raises:
        EvaluationError: there is nothing to hold it to, or one of the files can't be read.
    """
    report = load_report(folder)
    limits = settings.gate.limits
    failed = _below(report, limits)
    compared = 0
    if accepted.is_file():
        before, after = _read(accepted, ""), _read(folder / ANSWERS, gated(report))
        drops = settings.allowed_drop.model_dump() | settings.gate.drops
        for metric in METRICS:
            old, new = before.get(metric.name, {}), after.get(metric.name, {})
            both = sorted(old.keys() & new.keys())
            if metric.name not in drops or not both:
                continue
            first, second = (Series(*zip(*(own[key] for key in both), strict=True)) for own in (old, new))
            pair = compare({metric.name: first}, {metric.name: second}, len(both), report.seed)[metric.name]
            stopped = judge_one(metric, first.mean, second.mean, pair, drops[metric.name])
            failed += [f"{stopped}, on {len(both)} questions"] if stopped else []
            compared += 1
    if not compared and not limits:
        why = "no question of it is among these" if accepted.is_file() else "no such file"
        raise EvaluationError(
            f"{accepted}: {why}, so the gate has nothing to compare with; run `boffin evaluate --accept`, "
            "or set `evaluation.gate.limits`"
        )
    return Outcome(failed, compared, len(limits))


def _below(report: Report, limits: Mapping[str, float]) -> list[str]:
    failed = []
    for metric in METRICS:
        if metric.name not in limits:
            continue
        limit, found = limits[metric.name], report.candidates[gated(report)].get(metric.name)
        if found is None:
            failed.append(f"{metric.title} has a limit and wasn't measured")
        elif found.mean != limit and metric.is_gain(limit - found.mean):
            word = "below" if metric.better == "higher" else "above"
            shown = metric.with_unit(metric.number(found.mean))
            failed.append(f"{metric.title} is {shown}, {word} its limit {metric.with_unit(metric.number(limit))}")
    return failed


def _read(path: Path, candidate: str) -> Measures:
    """What was measured on the answers of a candidate, or of whoever is in the file."""
    found: Measures = {}
    for _, line in _lines(path):
        if not candidate or line.candidate == candidate:
            for metric, value in line.measures().items():
                found.setdefault(metric, {})[line.question] = value
    return found


def _lines(path: Path) -> list[tuple[str, _Line]]:
    try:
        texts = path.read_text(encoding="utf-8").split("\n")
    except (FileNotFoundError, UnicodeDecodeError) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else "not text in UTF-8"
        raise EvaluationError(f"{path}: {reason}; run `boffin evaluate` anew") from None
    found = []
    for number, text in enumerate(texts, start=1):
        if text:
            try:
                found.append((text + "\n", _Line.model_validate_json(text)))
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(str(part) for part in first["loc"]) or "the line"
                raise EvaluationError(
                    f"{path}:{number}: damaged at {one_line(where)} ({one_line(first['msg'])}); write it anew"
                ) from None
    return found
