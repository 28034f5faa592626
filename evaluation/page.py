"""The report as a Markdown page: the table, how it was measured, and example answers in full.

Names, questions and answers come from outside and are shown so that they can't break the page. Knows nothing about
how anything was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.escape import fenced, markdown
from evaluation.estimate import Estimates
from evaluation.method import method
from evaluation.metric import METRICS, Metric
from evaluation.opinion_page import PLACE
from evaluation.report import LEGEND, Report
from evaluation.suite.changes import Changes


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
        *_further(report),
        *_groups(report),
        "\n".join(["## How it was measured", "", *(f"- {markdown(line, 1000)}" for line in method(report))]),
        *(_changes(changes) if changes else []),
        *_examples(examples),
    ]
    return "\n\n".join(parts) + "\n"


def table(report: Report) -> str:
    """The table alone, what the second changes against the first beside these two; the better value is bold."""
    names = [*report.order[:2], *([report.pair_title, "p"] if report.pairs else []), *report.order[2:]]
    lines = [["measure", *map(markdown, names)], ["---", *["---:"] * len(names)]]
    for metric, values, difference in report.rows():
        best = metric.best(report.means(metric))
        cells = [f"**{value}**" if name == best else value for name, value in zip(report.order, values, strict=True)]
        pair = report.pairs.get(metric.name)
        between = [difference, pair.chance if pair else ""] if report.pairs else []
        lines.append([metric.title, *cells[:2], *between, *cells[2:]])
    return _table(lines)


def _further(report: Report) -> list[str]:
    """What each candidate after the second changes against the second."""
    rows = report.further_rows()
    if not rows:
        return []
    names = [title for name in report.further for title in (name, "p")]
    lines = [["measure", *map(markdown, names)], ["---", *["---:"] * len(names)]]
    lines += [[metric.title, *(cell for pair in cells for cell in pair)] for metric, cells in rows]
    return [f"## Against {markdown(report.order[1])}", _table(lines)]


def _groups(report: Report) -> list[str]:
    """The suite's metrics by category and by library: two candidates in one cell, several in lines of their own."""
    if report.suite is None:
        return []
    metrics = [metric for metric in METRICS if metric.group == "suite" and metric.better == "higher"]
    several = len(report.order) > 2
    parts = [f"## The suite{'' if several else ', ' + ' → '.join(map(markdown, report.order))}"]
    for kind, groups in report.suite.by.items():
        head = [kind, *(["candidate"] if several else []), *(metric.title for metric in metrics)]
        lines = [head, ["---", *["---:"] * (len(head) - 1)]]
        for group, candidates in groups.items():
            for names in [[name] for name in report.order] if several else [report.order]:
                cells = [_means(metric, [candidates[name] for name in names]) for metric in metrics]
                lines.append([markdown(group), *(map(markdown, names) if several else []), *cells])
        parts.append(_table(lines))
    return parts


def _means(metric: Metric, candidates: Sequence[Estimates]) -> str:
    shown = [metric.number(own[metric.name].mean) for own in candidates if metric.name in own]
    return metric.with_unit(" → ".join(shown)) if shown else "–"


def _table(lines: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _changes(changes: Changes) -> list[str]:
    parts = []
    for title, found in (
        (f"Where {changes.names[1]} lost most", changes.losses),
        (f"Where {changes.names[1]} gained most", changes.gains),
    ):
        parts += [f"## {markdown(title)}", markdown(changes.meaning, 1000)] if found else []
        for number, change in enumerate(found, start=1):
            question = change.first.question
            parts += [f"### {number}. {markdown(question.id)}, {change.difference:+.2f}", fenced(question.text, "text")]
            for name, judged in zip(changes.names, (change.first, change.second), strict=True):
                parts += [
                    f"**{markdown(name)}** · {markdown(judged.remarks)}",
                    fenced(judged.answer.text, "markdown"),
                ]
    return parts


def _examples(examples: Sequence[Example]) -> list[str]:
    parts = ["## Answers in full", "The first questions of the draw, not a choice."] if examples else []
    for number, example in enumerate(examples, start=1):
        parts += [f"### {number}. {markdown(example.symbol)}", fenced(example.question, "text")]
        for answer in example.answers:
            parts += [f"**{markdown(answer.candidate)}** · {markdown(answer.remarks)}", fenced(answer.text, "markdown")]
    return parts
