"""What a judge and people say, as a section of the report's pages: in Markdown and in HTML.

A page keeps a place for it between two comments, so that the section can be put in after the page was written, and
again with every new review. Nothing of an answer is in it, and what comes from outside is escaped. Knows nothing about
how the verdicts were come by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bundle.errors import EvaluationError
from evaluation.escape import markdown, one_line
from evaluation.metric import Metric
from evaluation.opinion import PREFERENCE, JudgeReport, Opinion, ReviewReport
from evaluation.report import Report, show, show_difference
from evaluation.significance import chance
from evaluation.verdict import CRITERIA, TITLES

BEGIN, END = "<!-- opinions -->", "<!-- end of opinions -->"
PLACE = f"{BEGIN}\n{END}"
"""What stands in a page before there are any opinions."""

ALPHA = (
    "α is Krippendorff's alpha of ordinal values: 1 where all agree, 0 where they agree as often as by chance; – where "
    "too few judged the same, or all values are alike. Krippendorff (2004) concludes nothing from what is below 0.67."
)


@dataclass(frozen=True)
class Section:
    """One section; texts are as they came, and not escaped."""

    title: str
    said: Sequence[str]
    """Sentences above the table."""
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    """The table; empty where no marks were given."""


def sections(report: Report) -> list[Section]:
    """The sections that a report has: one for a judge, one for people."""
    found = []
    if report.judge:
        found.append(_of_judge(report, report.judge))
    if report.reviews:
        found.append(_of_people(report, report.reviews))
    return found


def headlines(report: Report) -> list[str]:
    """Who was preferred, a line for a judge and one for people, for the terminal."""
    lines = []
    if report.judge:
        judge = report.judge
        said = [_preferred(report, judge.opinion)] if judge.opinion else []
        said += [_unjudged(judge)] if judge.unjudged else []
        lines.append(f"The judge {one_line(judge.model)}: {' '.join(said)}")
    if report.reviews:
        lines.append(f"{_people(report.reviews)}: {_preferred(report, report.reviews.opinion)}")
    return lines


def render_markdown(found: Sequence[Section]) -> str:
    """The sections in Markdown."""
    parts = []
    for section in found:
        parts += [f"## {markdown(section.title)}", *(markdown(line, 1000) for line in section.said)]
        if section.rows:
            lines = [section.head, ["---", *["---:"] * (len(section.head) - 1)], *section.rows]
            escaped = [[cell if set(cell) <= set("-:") else markdown(cell) for cell in line] for line in lines]
            parts.append("\n".join(f"| {' | '.join(line)} |" for line in escaped))
    return "\n\n".join(parts)


def put_in(page: str, section: str, path: object) -> str:
    """The page with the section in its place, instead of the one that was there.

    The first such place is the page's own: whatever comes from outside stands behind it, or has its angle brackets
    escaped.

    Raises:
        EvaluationError: the page has no place for it; `path` is where it lies.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise EvaluationError(f"{path}: has no place for verdicts; run `boffin evaluate --force` to write it anew")
    inside = f"\n\n{section}\n\n" if section else "\n"
    return before + BEGIN + inside + END + after


def _of_judge(report: Report, judge: JudgeReport) -> Section:
    if judge.opinion is None:
        return Section("What a judge says", [f"{judge.model}: {_unjudged(judge)}"], [], [])
    said = [
        f"{judge.model} gave marks from 1 to 5 to both answers to {judge.judged} of {judge.available} questions, "
        "beside the reference answer, without knowing whose is which, and in both orders: marks are means over the "
        "two, and an answer is better only where it is in both." + (f" {_unjudged(judge)}" if judge.unjudged else ""),
        _preferred(report, judge.opinion),
        f"Its verdict was the same in both orders on {_share(judge.same_verdict)} of the questions. "
        + _bias(judge.opinion),
        f"{ALPHA} Here it is between the marks of both orders. The rubric's SHA-256 is {judge.rubric}.",
    ]
    return Section("What a judge says", said, *_table(report, judge.opinion, {"α, itself": judge.alpha}))


def _of_people(report: Report, reviews: ReviewReport) -> Section:
    said = [
        f"{_people(reviews)} compared the answers side by side, without knowing whose is which.",
        _preferred(report, reviews.opinion),
        _bias(reviews.opinion),
        f"Between the reviewers α of the preference is {_alpha(reviews.alpha[PREFERENCE])}, over "
        f"{_times(reviews.shared, 'question')} that several judged.",
    ]
    columns = {"α, reviewers": reviews.alpha}
    for name, agreement in reviews.with_judge.items():
        said.append(
            f"{one_line(name)} and the judge: the same verdict on {_share(agreement.same)} of "
            f"{_times(agreement.verdicts, 'question')}, α of the preference {_alpha(agreement.alpha[PREFERENCE])}; "
            f"marks of both on {_times(agreement.marked, 'question')}."
        )
        columns[f"α, {name} and the judge"] = agreement.alpha
    return Section("What people say", [*said, ALPHA], *_table(report, reviews.opinion, columns))


def _table(
    report: Report, opinion: Opinion, columns: Mapping[str, Mapping[str, float | None]]
) -> tuple[list[str], list[list[str]]]:
    if not opinion.candidates:
        return [], []
    names = report.order[:2]
    rows = []
    for name in CRITERIA:
        metric = Metric(name, TITLES[name], "quality", "higher", "", digits=2)
        difference, several = opinion.differences[name], opinion.marked > 1
        rows.append(
            [
                metric.title,
                *(show(metric, opinion.candidates[candidate][name]) for candidate in names),
                show_difference(metric, difference) if several else metric.number(difference.difference, signed=True),
                difference.chance,
                *(_alpha(alpha[name]) for alpha in columns.values()),
            ]
        )
    marks = f"mark, 1 to 5, on {_times(opinion.marked, 'question')}"
    return [marks, *names, f"{names[1]} − {names[0]}", "p", *columns], rows


def _preferred(report: Report, opinion: Opinion) -> str:
    first, second = (one_line(name) for name in report.order[:2])
    found = opinion.preferred
    return (
        f"{second} is better {_times(found.second)}, {first} {_times(found.first)}, neither {_times(found.tie)} "
        f"(p {chance(found.p)})."
    )


def _bias(opinion: Opinion) -> str:
    if opinion.shown_first is None:
        return "No verdict prefers an answer."
    return (
        f"Of the verdicts that prefer an answer, {_share(opinion.shown_first)} prefer the one shown first "
        f"(p {chance(opinion.shown_first_p)})."
    )


def _unjudged(judge: JudgeReport) -> str:
    count = sum(judge.unjudged.values())
    reason = max(judge.unjudged, key=lambda why: judge.unjudged[why], default="")
    return f"{_times(count, 'question')} not judged, mostly because of this: {one_line(reason)}."


def _people(reviews: ReviewReport) -> str:
    names = [f"{one_line(name)} ({_times(count, 'question')})" for name, count in reviews.reviewers.items()]
    return ", ".join(names)


def _times(count: int, what: str = "time") -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _share(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"


def _alpha(alpha: float | None) -> str:
    return "–" if alpha is None else f"{alpha:z.2f}"
