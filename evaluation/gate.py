"""The gate: whether the second candidate of a report is so much worse than the first that it must not take its place.

A drop counts if both hold. It is larger than allowed, as measured: the paired difference of the means is beyond the
allowed one. And it is no chance: its 95 % interval leaves out 0. The second alone would stop an expert for a drop of no
importance, once there are questions enough; the first alone would stop one in five or so that are as good as before,
where 50 questions give a share of answers an error of some six points. Together they stop about one in forty at most
for a measure that has not dropped at all, and see any drop beyond the allowed of which the questions leave no doubt:
with 50 of them some twelve points of a share, and about any such rise of the loss, which varies less. More questions
see more.

Knows nothing about what a report is of, or what happens to whoever is stopped.
"""

from __future__ import annotations

from dataclasses import dataclass

from bundle.errors import EvaluationError
from evaluation.estimate import Difference
from evaluation.metric import METRICS, Metric
from evaluation.report import Report
from evaluation.settings import AllowedDrop

RELATIVE = frozenset({"loss"})
"""Measures whose allowed drop is a share of the first candidate's mean, and not a difference by itself."""


@dataclass(frozen=True)
class Violation:
    """One measure that got worse beyond the allowed."""

    metric: Metric
    before: float
    after: float
    low: float
    """Lower end of the difference's 95 % interval."""
    high: float
    allowed: float
    """The largest allowed difference, without a sign."""

    def __str__(self) -> str:
        digits = self.metric if self.metric.unit == "%" else finer(self.metric)
        verb = "fell" if self.metric.better == "higher" else "rose"
        numbers = f"from {digits.number(self.before)} to {digits.with_unit(digits.number(self.after))}"
        low, high = digits.number(self.low, signed=True), digits.number(self.high, signed=True)
        return f"{self.metric.title} {verb} {numbers} ({low} to {high}; {digits.number(self.allowed)} allowed)"


def judge(report: Report, allowed: AllowedDrop) -> list[Violation]:
    """What got worse from the report's first candidate to its second beyond what is allowed; empty lets it pass.

    Raises:
        EvaluationError: the report doesn't compare two candidates by each of the measures.
    """
    limits: dict[str, float] = allowed.model_dump()
    found = []
    for metric in METRICS:
        if metric.name not in limits:
            continue
        pair = report.pairs.get(metric.name)
        if pair is None:
            raise EvaluationError(f"the report doesn't compare two candidates by {metric.title}; evaluate anew")
        before, after = (report.candidates[name][metric.name].mean for name in report.order[:2])
        if stopped := judge_one(metric, before, after, pair, limits[metric.name]):
            found.append(stopped)
    return found


def judge_one(metric: Metric, before: float, after: float, pair: Difference, allowed: float) -> Violation | None:
    """Whether one measure got worse beyond the allowed, which is a share of `before` for `RELATIVE` ones."""
    limit = allowed * (before if metric.name in RELATIVE else 1)
    if pair.clear and not metric.is_gain(pair.difference) and abs(pair.difference) > limit:
        return Violation(metric, before, after, pair.low, pair.high, limit)
    return None


def finer(metric: Metric) -> Metric:
    """The metric shown with one digit more: a loss that may rise by 0.05 has to be seen to rise by 0.051."""
    return Metric(
        metric.name, metric.title, metric.group, metric.better, metric.meaning, metric.unit, metric.digits + 1
    )
