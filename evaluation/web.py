"""The report as one self-contained page, report.html: the table, pictures, and answers in full.

Names, questions and answers are hostile: all of them are escaped, and the page's policy forbids to load or run
anything. Knows nothing about how anything was measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from evaluation.escape import MOST_SHOWN, one_line, visible
from evaluation.estimate import Estimates
from evaluation.method import method
from evaluation.metric import METRICS
from evaluation.opinion_page import PLACE, Section
from evaluation.page import Example
from evaluation.pictures import COLOURS, shares
from evaluation.report import LEGEND, Report
from evaluation.scatter import Dot, scatter
from evaluation.suite.changes import Changes

HTML = "report.html"
QUALITY = ("suite_passes", "runs", "suite_complete", "existing_symbols")
"""What stands for quality against size and cost: the first of these by which any two can be told apart, or else that
anybody got above 0."""
_SPREAD = 1.05
"""How many times the least the largest must cost for a picture to show anything."""


def render_html(report: Report, examples: Sequence[Example], changes: Changes) -> str:
    """The whole page."""
    rows = [
        (metric, list(zip(report.order, values, strict=True)), difference, metric.best(report.means(metric)))
        for metric, values, difference in report.rows()
    ]
    return (
        _environment()
        .get_template("report.html.jinja")
        .render(
            report=report,
            rows=rows,
            further=report.further_rows(),
            legend=LEGEND,
            colours={name: f"c{number % COLOURS}" for number, name in enumerate(report.order)},
            pictures={name: Markup(picture) for name, picture in _pictures(report).items()},
            method=method(report),
            examples=examples,
            changes=changes,
            place=Markup(PLACE),
        )
    )


def render_sections(found: Sequence[Section]) -> str:
    """What a judge and people say, as a part of the page."""
    return _environment().get_template("opinions.html.jinja").render(sections=found).strip()


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"line": one_line, "visible": _shown}
    return environment


def _shown(text: str) -> str:
    """What is shown of an answer."""
    rest = f"\n\n… and {len(text) - MOST_SHOWN:,} more characters" if len(text) > MOST_SHOWN else ""
    return visible(text[:MOST_SHOWN]) + rest


def _pictures(report: Report) -> dict[str, str]:
    """Shares of which more is better: `quality`, `suite`, and the suite's by group, e.g. `category suite_passes`."""
    found = {}
    for group, title in (("quality", "Shares of the answers to held-out records"), ("suite", "Shares of the suite")):
        metrics = [metric for metric in METRICS if metric.group == group and metric.unit and metric.better == "higher"]
        found[group] = _picture(report, title, [(one.title, one.name, report.candidates) for one in metrics])
    for kind, groups in report.suite.by.items() if report.suite else ():
        for metric in ("suite_complete", "suite_passes"):
            rows = [(group, metric, candidates) for group, candidates in groups.items()]
            found[f"{kind} {metric}"] = _picture(report, f"The suite by {kind}", rows)
    found |= {f"against {metric}": _against(report, metric) for metric in ("megabytes", "usd_a_thousand_questions")}
    return {name: picture for name, picture in found.items() if picture}


def _against(report: Report, cost: str) -> str:
    """Quality against a cost, of those that have both; empty where it costs everybody nearly the same."""
    by_name = {metric.name: metric for metric in METRICS}
    above = [name for name in QUALITY if any(report.means(by_name[name]).values())]
    quality = next((name for name in above if _apart(report, name)), next(iter(above), ""))
    dots = [
        Dot(name, own[cost].mean, own[quality])
        for name in report.order
        if quality in (own := report.candidates[name]) and cost in own and own[cost].mean > 0
    ]
    if not dots or max(dot.across for dot in dots) < _SPREAD * min(dot.across for dot in dots):
        return ""
    metric = by_name[cost]
    labels = f"{metric.title}, {metric.unit}", by_name[quality].title
    return scatter(f"{labels[1]} by {metric.title}", dots, labels, lambda value: f"{value:g}", report.order)


def _apart(report: Report, metric: str) -> bool:
    """Whether the intervals of any two candidates don't meet."""
    found = [own[metric] for own in report.candidates.values() if metric in own]
    return max(one.low for one in found) > min(one.high for one in found)


def _picture(report: Report, title: str, rows: Sequence[tuple[str, str, Mapping[str, Estimates]]]) -> str:
    """Rows of a label, a metric and every candidate's estimates; empty where nobody has any of the metrics."""
    lines = [
        (label.removeprefix("suite: "), {name: own[metric] for name, own in candidates.items() if metric in own})
        for label, metric, candidates in rows
    ]
    lines = [line for line in lines if line[1]]
    return shares(title, lines, report.order) if lines else ""
