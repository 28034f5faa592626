"""How a report was measured, in plain sentences for its pages. Knows nothing about how the pages look."""

from __future__ import annotations

from evaluation.bootstrap import RESAMPLES
from evaluation.report import Report


def method(report: Report) -> list[str]:
    """A line for each thing to know, without markup; names are as they came, and not escaped."""
    sampling = ", ".join(f"{name} {value:g}" for name, value in sorted(report.sampling.items()))
    lines = [f"{name} is {report.models[name]}." for name in report.order]
    lines.append(
        f"{report.questions} of {report.held_out} held-out records, drawn with seed {report.seed}; the split's "
        f"SHA-256 is {report.dataset_digest}."
    )
    if suite := report.suite:
        lines.append(
            f"{suite.questions} of {suite.available} questions of the suite {suite.name} about the dataset's "
            f"libraries, from each category its share; of {suite.checked} the answers' code was run with the "
            f"question's check. The SHA-256 of what was asked is {suite.digest}."
        )
    return [
        *lines,
        f"Answers: {sampling}; the seed of each is {report.seed} plus the question's position; "
        f"{report.concurrency} under way at once; answer cache off. Same questions and seeds for every candidate, "
        "one candidate after the other.",
        f"Intervals: {RESAMPLES:,} resamples of the questions, the same ones for every candidate. p: the exact "
        "sign test over the questions, which is McNemar's where an answer is right or wrong.",
        f"The whole evaluation took {report.seconds:.0f} s.",
        *(f"{metric.title}: {metric.meaning}." for metric, _, _ in report.rows()),
    ]
