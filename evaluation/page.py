"""The report as a Markdown page: the table, how it was measured, and example answers in full.

Names, questions and answers come from outside and are shown so that they can't break the page. Knows nothing about
how anything was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.escape import fenced, markdown
from evaluation.method import method
from evaluation.metric import METRICS
from evaluation.opinion_page import PLACE
from evaluation.report import LEGEND, Report
from evaluation.suite.changes import Changes

MOST_SHOWN = 4000
"""Characters of an answer to the suite that are shown."""


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


def render_page(report: Report, examples: Sequence[Example], changes: Changes | None = None) -> str:
    """The whole page."""
    parts = [
        "# Evaluation",
        table(report),
        f"Bold: the better value. {LEGEND}",
        PLACE,
        *_groups(report),
        "\n".join(["## How it was measured", "", *(f"- {markdown(line, 1000)}" for line in method(report))]),
        *(_changes(changes) if changes else []),
        *_examples(examples),
    ]
    return "\n\n".join(parts) + "\n"


def table(report: Report) -> str:
    """The table alone; the better value is bold."""
    names = [*report.order, *([report.pair_title, "p"] if report.pairs else [])]
    lines = [["measure", *map(markdown, names)], ["---", *["---:"] * len(names)]]
    for metric, values, difference in report.rows():
        best = metric.best(report.means(metric))
        cells = [f"**{value}**" if name == best else value for name, value in zip(report.order, values, strict=True)]
        pair = report.pairs.get(metric.name)
        lines.append([metric.title, *cells, *([difference, pair.chance if pair else ""] if report.pairs else [])])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _groups(report: Report) -> list[str]:
    """The suite's metrics by category and by library, each value from the first candidate to the last."""
    if report.suite is None:
        return []
    metrics = [metric for metric in METRICS if metric.group == "suite"]
    parts = [f"## The suite, {' → '.join(map(markdown, report.order))}"]
    for kind, groups in report.suite.by.items():
        lines = [[kind, *(metric.title for metric in metrics)], ["---", *["---:"] * len(metrics)]]
        for group, candidates in groups.items():
            cells = []
            for metric in metrics:
                values = [candidates[name].get(metric.name) for name in report.order]
                shown = [metric.number(value.mean) for value in values if value]
                cells.append(metric.with_unit(" → ".join(shown)) if shown else "–")
            lines.append([markdown(group), *cells])
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines))
    return parts


def _changes(changes: Changes) -> list[str]:
    parts = []
    for title, found in (
        (f"Where {changes.names[1]} lost most", changes.losses),
        (f"Where {changes.names[1]} gained most", changes.gains),
    ):
        parts += [f"## {markdown(title)}"] if found else []
        for number, change in enumerate(found, start=1):
            question = change.first.question
            parts += [f"### {number}. {markdown(question.id)}", fenced(question.text, "text")]
            for name, judged in zip(changes.names, (change.first, change.second), strict=True):
                parts += [
                    f"**{markdown(name)}** · {markdown(judged.remarks)}",
                    fenced(judged.answer.text, "markdown", MOST_SHOWN),
                ]
    return parts


def _examples(examples: Sequence[Example]) -> list[str]:
    parts = ["## Answers in full", "The first questions of the draw, not a choice."] if examples else []
    for number, example in enumerate(examples, start=1):
        parts += [f"### {number}. {markdown(example.symbol)}", fenced(example.question, "text")]
        for answer in example.answers:
            parts += [f"**{markdown(answer.candidate)}** · {markdown(answer.remarks)}", fenced(answer.text, "markdown")]
    return parts
