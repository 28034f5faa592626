"""The report: each candidate's metrics with 95 % intervals, and what the second candidate changes against the first.

It is report.json, and a table for the terminal. Knows nothing about answers or endpoints.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from pydantic import Field, ValidationError
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bundle.errors import EvaluationError
from evaluation.escape import one_line
from evaluation.estimate import Difference, Estimate, Estimates, ReportPart
from evaluation.metric import METRICS, Metric
from evaluation.opinion import JudgeReport, ReviewReport

REPORT = "report.json"
_ANEW = "run `boffin evaluate --force` to write it anew"
_SUMMED_UP = ("loss", "valid_python", "ends_by_itself")
LEGEND = (
    "In brackets: 95 % intervals (paired bootstrap over the questions); a value without one was measured once, or all "
    "answers were alike. A difference whose interval holds 0 may be chance."
)


class SuiteReport(ReportPart):
    """What was asked of a suite, and how it went by group; its metrics are among the candidates'."""

    name: str
    """The suite, as the settings name it."""
    questions: int
    """How many of its questions were asked."""
    available: int
    """How many it has about the dataset's libraries."""
    checked: int
    """Of how many the answers' code was run."""
    digest: str
    """SHA-256 of the questions asked, with their reference answers."""
    by: dict[str, dict[str, dict[str, Estimates]]]
    """`category` and `library` → group → candidate → metric → estimate."""


class Report(ReportPart):
    """All that report.json says."""

    candidates: dict[str, Estimates]
    """Candidate → metric → estimate."""
    pairs: dict[str, Difference]
    """Metric → difference between the second candidate of `order` and the first; empty for one candidate."""
    further: dict[str, dict[str, Difference]] = Field(default_factory=dict)
    """Each candidate after the second → metric → difference between it and the second."""
    order: list[str]
    """The candidates as they were given; the first is the one that is compared against."""
    models: dict[str, str]
    """Candidate → its model's name and quantisation."""
    questions: int
    """How many held-out records were asked."""
    held_out: int
    """How many there were to draw from."""
    seed: int
    """Seed of the draw, of the bootstrap, and with a question's position added of each answer."""
    sampling: dict[str, int | float]
    """The sampling fields of each request."""
    concurrency: int
    """How many questions were under way at once."""
    seconds: float
    """Wall time of the whole evaluation."""
    dataset_digest: str
    """SHA-256 of the held-out split."""
    template_digest: str
    """SHA-256 of the prompt template of the scored texts."""
    suite: SuiteReport | None = None
    """What was asked of the suite; None where nothing was."""
    judge: JudgeReport | None = None
    """What a judge says; None where there is none."""
    reviews: ReviewReport | None = None
    """What people say; None where nobody has."""

    @property
    def pair_title(self) -> str:
        """What the differences are, e.g. `tuned − base`; empty where there are none."""
        return f"{self.order[1]} − {self.order[0]}" if self.pairs else ""

    def further_rows(self) -> list[tuple[Metric, list[tuple[str, str]]]]:
        """Metric, and for each candidate after the second the shown difference to the second, and its p."""
        found = []
        for metric in METRICS:
            pairs = [own.get(metric.name) for own in self.further.values()]
            if any(pairs):
                found.append((metric, [(show_difference(metric, one), one.chance if one else "") for one in pairs]))
        return found

    def means(self, metric: Metric) -> dict[str, float]:
        """A metric's mean by candidate, without those that lack it, in the candidates' order."""
        have = {name: self.candidates[name].get(metric.name) for name in self.order}
        return {name: estimate.mean for name, estimate in have.items() if estimate}

    def rows(self) -> list[tuple[Metric, list[str], str]]:
        """The table: metric, a shown value for each candidate in order, the shown difference."""
        return [
            (
                metric,
                [show(metric, self.candidates[name].get(metric.name)) for name in self.order],
                show_difference(metric, self.pairs.get(metric.name)),
            )
            for metric in METRICS
            if self.means(metric)
        ]


def load_report(path: Path) -> Report:
    """Read report.json, or the one in a folder.

    Raises:
        EvaluationError: there is none, or it can't be read.
    """
    path = path / REPORT if path.is_dir() else path
    if not path.is_file():
        raise EvaluationError(f"{path}: no report here; run `boffin evaluate` first")
    try:
        report = Report.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "its start"
        raise EvaluationError(f"{path}: damaged at {where} ({first['msg']}); {_ANEW}") from None
    if sorted(report.order) != sorted(report.candidates) or len(report.order) < 1 + bool(report.pairs):
        raise EvaluationError(f"{path}: damaged at order (not the candidates' names); {_ANEW}")
    return report


def print_table(report_path: Path, console: Console | None = None) -> None:
    """Print a report's table on the terminal; the better value is green and marked with a star.

    Raises:
        EvaluationError: there is no report, or it can't be read.
    """
    report = load_report(report_path)
    several = len(report.order) > 2
    console = console or Console()
    for table in _by_candidate(report) if several else [_by_metric(report)]:
        console.print(table, *([""] if several else []))
    suite = f", {report.suite.questions} questions of the suite" if report.suite else ""
    legend = "* is the best value. The report has the intervals." if several else f"* is the better value. {LEGEND}"
    console.print(Text(f"{report.questions} held-out questions{suite}. {legend}", style="dim"))


def _empty_table(*names: str, padding: int = 1) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True, padding=(0, padding))
    table.add_column("", no_wrap=True, overflow="ellipsis")
    for name in names:
        table.add_column(Text(one_line(name)), justify="right", overflow="fold")
    return table


def _starred(value: str, best: bool) -> Text:
    return Text(f"{value}*", style="bold green") if best else Text(f"{value} ")


def _by_metric(report: Report) -> Table:
    """A line a metric, with the difference."""
    table = _empty_table(*report.order, *([report.pair_title] if report.pairs else []))
    rows = report.rows()
    for position, (metric, values, difference) in enumerate(rows):
        best = metric.best(report.means(metric))
        cells = [_starred(value, name == best) for name, value in zip(report.order, values, strict=True)]
        ends_group = position + 1 < len(rows) and rows[position + 1][0].group != metric.group
        table.add_row(metric.title, *cells, *([Text(difference)] if report.pairs else []), end_section=ends_group)
    return table


def _by_candidate(report: Report) -> Iterator[Table]:
    """A line a candidate, in a table for each group of metrics, without intervals: fit for many of them."""
    have = [metric for metric in METRICS if report.means(metric)]
    for _, group in groupby(have, lambda metric: "cost" if metric.group == "size" else metric.group):
        metrics = list(group)
        table = _empty_table(
            *(f"{metric.title}{', ' if metric.unit else ''}{metric.unit}" for metric in metrics), padding=0
        )
        for name in report.order:
            own = report.candidates[name]
            cells = [
                _starred(metric.number(own[metric.name].mean), name == metric.best(report.means(metric)))
                if metric.name in own
                else Text("– ")
                for metric in metrics
            ]
            table.add_row(Text(one_line(name)), *cells)
        yield table


def summary(report: Report) -> str:
    """The first two candidates in one line, e.g. `held-out loss 1.44 → 0.99, valid Python 78 → 97 %`."""
    parts = []
    for metric in METRICS:
        means = list(report.means(metric).values())[:2]
        if metric.name in _SUMMED_UP and means:
            parts.append(f"{metric.title} {metric.with_unit(' → '.join(map(metric.number, means)))}")
    return ", ".join(parts)


def show(metric: Metric, value: Estimate | None) -> str:
    """An estimate with its interval."""
    if value is None:
        return "–"
    shown = metric.with_unit(metric.number(value.mean))
    if value.low == value.high == value.mean:
        return shown
    return f"{shown} ({metric.number(value.low)}–{metric.number(value.high)})"


def show_difference(metric: Metric, value: Difference | None) -> str:
    """A difference with its interval."""
    if value is None:
        return ""
    low, high = metric.number(value.low, signed=True), metric.number(value.high, signed=True)
    return f"{metric.number(value.difference, signed=True)} ({low}, {high})"
