"""The report as a Markdown page: the table, how it was measured, and example answers in full.

Names, questions and answers come from outside and are shown so that they can't break the page. Knows nothing about
how anything was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.bootstrap import RESAMPLES
from evaluation.escape import fenced, markdown
from evaluation.report import LEGEND, Difference, Report


@dataclass(frozen=True)
class ExampleAnswer:
    """One candidate's answer to an example question."""

    candidate: str
    text: str
    remarks: str
    """What was measured on it, in a few words."""


@dataclass(frozen=True)
class Example:
    """A question with every candidate's answer."""

    symbol: str
    """What the question is about."""
    question: str
    answers: Sequence[ExampleAnswer]


def render_page(report: Report, examples: Sequence[Example]) -> str:
    """The whole page."""
    return (
        "\n\n".join(
            ["# Evaluation", table(report), f"Bold: the better value. {LEGEND}", _method(report), *_examples(examples)]
        )
        + "\n"
    )


def table(report: Report) -> str:
    """The table alone; the better value is bold."""
    names = [*report.order, *([report.pair_title, "p"] if report.pairs else [])]
    lines = [["measure", *map(markdown, names)], ["---", *["---:"] * len(names)]]
    for metric, values, difference in report.rows():
        best = metric.best(report.means(metric))
        cells = [f"**{value}**" if name == best else value for name, value in zip(report.order, values, strict=True)]
        pair = report.pairs.get(metric.name)
        lines.append([metric.title, *cells, *([difference, _chance(pair)] if report.pairs else [])])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _chance(pair: Difference | None) -> str:
    if pair is None:
        return ""
    return "< 0.001" if pair.p < 0.001 else f"{pair.p:.3f}"


def _method(report: Report) -> str:
    sampling = ", ".join(f"{name} {value:g}" for name, value in sorted(report.sampling.items()))
    lines = ["## How it was measured", ""]
    lines += [f"- **{markdown(name)}** is {markdown(report.models[name])}." for name in report.order]
    lines += [
        f"- {report.questions} of {report.held_out} held-out records, drawn with seed {report.seed}; the split's "
        f"SHA-256 is `{report.dataset_digest}`.",
        f"- Answers: {sampling}; the seed of each is {report.seed} plus the question's position; "
        f"{report.concurrency} under way at once; answer cache off. Same questions and seeds for every candidate, "
        "one candidate after the other.",
        f"- Intervals: {RESAMPLES:,} resamples of the questions, the same ones for every candidate. *p*: the exact "
        "sign test over the questions, which is McNemar's where an answer is right or wrong.",
        f"- The whole evaluation took {report.seconds:.0f} s.",
        *(f"- *{metric.title}*: {metric.meaning}." for metric, _, _ in report.rows()),
    ]
    return "\n".join(lines)


def _examples(examples: Sequence[Example]) -> list[str]:
    parts = ["## Answers in full", "The first questions of the draw, not a choice."] if examples else []
    for number, example in enumerate(examples, start=1):
        parts += [f"### {number}. {markdown(example.symbol)}", fenced(example.question, "text")]
        for answer in example.answers:
            parts += [f"**{markdown(answer.candidate)}** · {markdown(answer.remarks)}", fenced(answer.text, "markdown")]
    return parts
