"""The report as pages: report.md, and report.html with pictures; ten records stand in both in full.

What records hold is hostile: in the Markdown it stands in fences that it can't close, in the HTML it is escaped, its
own Markdown is read without HTML, links and images, and the page's policy forbids to load anything. Knows nothing
about how the figures came about.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup
from pygments import highlight  # type: ignore[import-untyped]
from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]
from pygments.lexers import PythonLexer  # type: ignore[import-untyped]

from bundle.atomic import write_text
from bundle.records import EVAL, TRAIN, Record, read_records
from curation.escape import fenced, markdown, visible
from curation.pictures import Bar, bars, columns
from curation.report import BIN, Report, largest, load_report
from curation.split import position

MARKDOWN, HTML = "report.md", "report.html"
SAMPLES = 10
_STYLES = {"light": "friendly", "dark": "nord"}


def write_pages(dataset: Path, seed: int = 0) -> None:
    """Write both pages of a dataset from its report.json and its records; may be done again at any time.

    Args:
        dataset: the dataset's folder.
        seed: decides which records are shown.

    Raises:
        DatasetError: the report or the records are missing or damaged.
    """
    report = load_report(dataset)
    samples = pick(dataset, SAMPLES, seed)
    write_text(dataset / MARKDOWN, render_markdown(report, samples))
    write_text(dataset / HTML, render_html(report, samples))


def pick(dataset: Path, count: int, seed: int) -> list[tuple[Record, bool]]:
    """Records that a hash picks, each with whether it is held out: most of them stay picked as the dataset grows."""
    found = (
        (position(record.model_dump_json(), f"sample {seed}"), number, record, side == EVAL)
        for side in (TRAIN, EVAL)
        for number, record in enumerate(read_records(dataset / side))
    )
    return [(record, held_out) for _, _, record, held_out in heapq.nsmallest(count, found, key=lambda one: one[:2])]


def render_markdown(report: Report, samples: list[tuple[Record, bool]]) -> str:
    """The report as Markdown."""
    environment = _environment(html=False)
    environment.filters |= {"md": markdown, "fenced": fenced}
    return environment.get_template("report.md.jinja").render(_context(report, samples))


def render_html(report: Report, samples: list[tuple[Record, bool]]) -> str:
    """The report as one HTML page that needs nothing else."""
    environment = _environment(html=True)
    environment.filters |= {"visible": visible, "answer": _answer}
    styles = {
        name: Markup(HtmlFormatter(style=style, nobackground=True).get_style_defs(".code"))
        for name, style in _STYLES.items()
    }
    return environment.get_template("report.html.jinja").render(
        _context(report, samples), styles=styles, pictures={k: Markup(v) for k, v in _pictures(report).items()}
    )


def _environment(*, html: bool) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["n"] = lambda value: f"{value:,}"
    environment.filters["percent"] = lambda value: f"{value:.1%}"
    return environment


def _context(report: Report, samples: list[tuple[Record, bool]]) -> dict[str, Any]:
    return {
        "report": report,
        "samples": samples,
        "largest": largest,
        "stages": [(stage, largest(codes)) for stage, codes in report.rejected_by_stage.items()],
    }


def _pictures(report: Report) -> Mapping[str, str]:
    def counted(counts: Mapping[str, int]) -> list[Bar]:
        return [Bar(name, count, f"{count:,} · {count / report.kept:.1%}") for name, count in largest(counts)]

    funnel = [Bar(name, count, f"{count:,}") for name, count in report.funnel[:-1]]
    funnel.append(Bar("kept", report.kept, f"{report.kept:,}", report.eval))
    return {
        "funnel": bars("Records left after each step", funnel),
        "libraries": bars("Kept records by library", counted(report.by_library)),
        "kinds": bars("Kept records by kind of question", counted(report.by_kind)),
        "reasons": bars(
            "Dropped, by reason", [Bar(code, count, f"{count:,}") for code, count in largest(report.rejected)]
        ),
        "runs": bars(
            "Share of the records whose code passed, by library",
            [
                Bar(name, runs.rate, f"{runs.passed:,} of {runs.ran:,} · {runs.rate:.1%}")
                for name, runs in sorted(report.runs.items())
            ],
            most=1.0,
        ),
        "lengths": columns("Answers by their characters", sorted(report.lengths.histogram.items()), BIN),
    }


def _answer(text: str) -> Markup:
    """A record's Markdown as HTML: paragraphs, lists, code and emphasis, and nothing else."""
    return Markup(_READER.render(visible(text)))


def _code(code: str, language: str, _: str) -> str:
    """Python as coloured HTML; the empty text for anything else, which is then escaped as it is."""
    return highlight(code, PythonLexer(), HtmlFormatter(nowrap=True)) if language == "python" else ""


_READER = MarkdownIt("zero", {"html": False, "highlight": _code}).enable(
    ["fence", "list", "backticks", "emphasis", "escape", "entity"]
)
