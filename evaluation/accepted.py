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
from evaluation.gate import finer, judge_one
from evaluation.metric import METRICS
from evaluation.report import Report, load_report
from evaluation.settings import EvaluationSettings

Measures = dict[str, dict[str, tuple[float, float]]]
"""Metric → question → total and weight, as in a series."""


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    candidate: str
    set: str
    symbol: str = ""
    question: str
    loss: float | None = None
    reference_tokens: int | None = Field(default=None, ge=1)
    python_block: bool
    valid_python: bool
    existing_symbols: bool
    unknown: tuple[str, ...] | None = None
    deprecated: tuple[str, ...] | None = None
    uses_symbol: bool = False
    runs: bool | None = None
    ends_by_itself: bool
    repetition: float = 0
    complete: float = 0
    check: str | None = None

    def measures(self) -> dict[str, tuple[float, float]]:
        """Metric → total and weight."""
        of_both = ("valid_python", "existing_symbols", "ends_by_itself")
        values: dict[str, float | None] = {name: getattr(self, name) for name in of_both}
        values["deprecated"] = None if self.deprecated is None else bool(self.deprecated)
        if self.set == "suite":
            values = {f"suite_{name}": value for name, value in values.items()}
            values |= {"suite_complete": self.complete}
            values |= {"suite_passes": None if self.check is None else self.check == "passed"}
        else:
            values |= {name: getattr(self, name) for name in ("python_block", "repetition", "runs")}
            values |= {"unknown_symbols": None if self.unknown is None else bool(self.unknown)}
            values |= {"uses_symbol": self.uses_symbol if self.symbol else None}
        found = {name: (float(value), 1.0) for name, value in values.items() if value is not None}
        if self.set != "suite" and self.loss is not None and self.reference_tokens:
            found["loss"] = (self.loss * self.reference_tokens, float(self.reference_tokens))
        return found


@dataclass(frozen=True)
class Outcome:
    """What the gate found."""

    failed: list[str]
    """A line for each metric that it stops for; empty lets the model pass."""
    compared: int
    """By how many metrics it was compared with what was accepted."""
    questions: int
    """On how many questions at most."""
    limited: int
    """How many limits it was held to."""

    def held_to(self, accepted: str) -> str:
        """What it was held to, in words; `accepted` is how the file is called."""
        compared = f"{_many(self.compared, 'metric')} of {_many(self.questions, 'question')} against {accepted}"
        parts = [compared if self.compared else "", _many(self.limited, "limit") if self.limited else ""]
        return " and ".join(filter(None, parts))


def gated(report: Report) -> str:
    """The candidate that is held to the gate: the tuned one."""
    return report.order[min(1, len(report.order) - 1)]


def accept(folder: Path, path: Path) -> int:
    """Write the gated candidate's answers of the report in `folder` to `path`; returns how many.

    Raises:
        EvaluationError: there is no report, or it can't be read.
    """
    who = gated(load_report(folder))
    own = [text for text, line in _lines(folder / ANSWERS) if line.candidate == who]
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
    compared: set[str] = set()
    questions = 0
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
            failed += [f"{stopped}, on {_many(len(both), 'question')}"] if stopped else []
            compared.add(metric.name)
            questions = max(questions, len(both))
        given = settings.gate.drops if "drops" in settings.gate.model_fields_set else {}
        failed += [f"{name} may not drop and can't be compared" for name in given if compared and name not in compared]
    if not compared and (accepted.is_file() or not limits):
        why = "no question of it is among these" if accepted.is_file() else "no such file"
        raise EvaluationError(
            f"{accepted}: {why}, so the gate has nothing to compare with; run `boffin evaluate --accept`"
            + ("" if limits else ", or set `evaluation.gate.limits`")
        )
    return Outcome(failed, len(compared), questions, len(limits))


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


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
            fine = finer(metric) if metric.number(found.mean) == metric.number(limit) else metric
            shown, at = (fine.with_unit(fine.number(value)) for value in (found.mean, limit))
            failed.append(f"{metric.title} is {shown}, {word} its limit {at}")
    return failed


def _read(path: Path, candidate: str) -> Measures:
    """What was measured on the answers of a candidate, or of whoever is in the file."""
    found: Measures = {}
    for _, line in _lines(path):
        if not candidate or line.candidate == candidate:
            for metric, value in line.measures().items():
                found.setdefault(metric, {})[line.question] = value
    return found


_ANEW = "write the report anew with `boffin evaluate --force`, what was accepted with `--accept`"


def _lines(path: Path) -> list[tuple[str, _Line]]:
    try:
        texts = path.read_text(encoding="utf-8").split("\n")
    except (FileNotFoundError, UnicodeDecodeError) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else "not text in UTF-8"
        raise EvaluationError(f"{path}: {reason}; {_ANEW}") from None
    found = []
    for number, text in enumerate(texts, start=1):
        if text:
            try:
                found.append((text + "\n", _Line.model_validate_json(text)))
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(str(part) for part in first["loc"]) or "the line"
                raise EvaluationError(
                    f"{path}:{number}: damaged at {one_line(where)} ({one_line(first['msg'])}); {_ANEW}"
                ) from None
    return found
