"""What the gate stops and what it lets pass: gains, ties, drops, and chance."""

from __future__ import annotations

import random

import pytest

from bundle.errors import EvaluationError
from evaluation.bootstrap import Series
from evaluation.estimate import estimate
from evaluation.gate import judge
from evaluation.report import Report
from evaluation.settings import AllowedDrop

SHARES = ("valid_python", "existing_symbols", "ends_by_itself")


def make_report(before: dict[str, list[float]], after: dict[str, list[float]], questions: int) -> Report:
    """A report of two candidates; a measure that isn't given is 1 on every question."""
    series = {
        name: {
            "loss": Series([10 * value for value in values.get("loss", [1.0] * questions)], [10.0] * questions),
            **{metric: Series.of(values.get(metric, [1.0] * questions)) for metric in SHARES},
        }
        for name, values in (("before", before), ("after", after))
    }
    candidates, pairs = estimate(series, {"before": {}, "after": {}}, questions, seed=0)
    return Report(
        candidates=candidates,
        pairs=pairs,
        order=["before", "after"],
        models={"before": "m", "after": "m"},
        questions=questions,
        held_out=questions,
        seed=0,
        sampling={},
        concurrency=1,
        seconds=1,
        dataset_digest="",
        template_digest="",
    )


def share(good: int, of: int) -> list[float]:
    return [float(question < good) for question in range(of)]


def noisy(mean: float, seed: int, questions: int) -> list[float]:
    generator = random.Random(seed)
    return [mean + generator.uniform(-0.3, 0.3) for _ in range(questions)]


def stopped(report: Report, **allowed: float) -> list[str]:
    return [violation.metric.name for violation in judge(report, AllowedDrop(**allowed))]


def test_a_gain_and_a_tie_pass() -> None:
    assert stopped(make_report({"valid_python": share(30, 60)}, {"valid_python": share(60, 60)}, 60)) == []
    assert stopped(make_report({"loss": [2.0] * 60}, {"loss": [1.0] * 60}, 60)) == []
    report = make_report({"valid_python": share(30, 60)}, {"valid_python": share(30, 60)}, 60)
    assert stopped(report, loss=0, valid_python=0, existing_symbols=0, ends_by_itself=0) == []


@pytest.mark.parametrize("metric", SHARES)
def test_a_clear_drop_of_a_share_is_stopped(metric: str) -> None:
    report = make_report({metric: share(60, 60)}, {metric: share(48, 60)}, 60)
    assert stopped(report) == [metric]
    assert stopped(report, **{metric: 0.25}) == []  # so much was allowed


def test_a_rise_of_the_loss_is_measured_by_what_it_was() -> None:
    assert stopped(make_report({"loss": [1.0] * 60}, {"loss": [1.06] * 60}, 60)) == ["loss"]
    assert stopped(make_report({"loss": [2.0] * 60}, {"loss": [2.06] * 60}, 60)) == []
    assert stopped(make_report({"loss": [1.0] * 60}, {"loss": [1.06] * 60}, 60), loss=0.1) == []


def test_a_clear_drop_within_the_allowed_passes() -> None:
    report = make_report({"valid_python": share(400, 400)}, {"valid_python": share(384, 400)}, 400)
    assert report.pairs["valid_python"].clear
    assert stopped(report) == [] and stopped(report, valid_python=0.03) == ["valid_python"]


def test_what_may_be_chance_passes_and_more_questions_tell() -> None:
    # One answer in five is better and a bit more than that worse: a drop of ten points.
    before, after = [0.0] * 4 + [1.0] * 6 + [1.0] * 10, [1.0] * 4 + [0.0] * 6 + [1.0] * 10
    few = make_report({"valid_python": before}, {"valid_python": after}, 20)
    assert few.pairs["valid_python"].difference == pytest.approx(-0.1) and stopped(few) == []
    many = make_report({"valid_python": before * 20}, {"valid_python": after * 20}, 400)
    assert many.pairs["valid_python"].difference == pytest.approx(-0.1) and stopped(many) == ["valid_python"]


def test_a_measure_that_has_not_dropped_is_seldom_stopped() -> None:
    """Candidates that differ by chance alone, asked 25 questions, allowed nothing at all: few of 40 are stopped."""
    pairs = [({"loss": noisy(1, 2 * n, 25)}, {"loss": noisy(1, 2 * n + 1, 25)}) for n in range(40)]
    reports = [make_report(before, after, 25) for before, after in pairs]
    assert sum(report.pairs["loss"].difference > 0 for report in reports) > 10
    assert sum(bool(stopped(report, loss=0)) for report in reports) <= 3


def test_what_is_said_tells_both_values_and_the_allowed() -> None:
    report = make_report({"valid_python": share(60, 60)}, {"valid_python": share(48, 60)}, 60)
    (said,) = map(str, judge(report, AllowedDrop()))
    assert said.startswith("valid Python fell from 100 to 80 % (-30 to -1") and said.endswith("; 5 allowed)")
    (said,) = map(str, judge(make_report({}, {"loss": [1.1] * 60}, 60), AllowedDrop()))
    assert said == "held-out loss rose from 1.000 to 1.100 (+0.100 to +0.100; 0.050 allowed)"


def test_a_report_of_one_candidate_can_not_be_judged() -> None:
    report = make_report({}, {}, 5).model_copy(update={"pairs": {}})
    with pytest.raises(EvaluationError, match="doesn't compare two candidates by held-out loss"):
        judge(report, AllowedDrop())
