"""Puts what a judge and people say into a report that is there: report.json and both pages.

Reads the verdicts that lie beside the answers and in the folder of reviews; those on other answers than the report's
don't count. May be done again at any time. Knows nothing about how the verdicts were come by.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from bundle.atomic import write_json, write_text
from bundle.errors import EvaluationError
from evaluation.judge.judgement import read_judgements
from evaluation.opinion import JudgeReport, judge_report, review_report
from evaluation.opinion_page import put_in, render_markdown, sections
from evaluation.pairs import read_pairs
from evaluation.report import REPORT, Report, load_report
from evaluation.review.log import read_reviews
from evaluation.stage import PAGE
from evaluation.web import HTML, render_sections


def add_opinions(folder: Path, reviews: Path) -> Report:
    """Bring a report's folder up to date with its judgements and with the folder of reviews.

    The caller holds the workspace's lock.

    Returns:
        The report as it is now.

    Raises:
        EvaluationError: the report, its answers, its judgements or a review can't be read.
    """
    report = load_report(folder)
    if len(report.order) < 2:
        return report
    names = report.order[:2]
    judgements = read_judgements(folder)
    given = read_reviews(reviews)
    if not (judgements or given or report.judge or report.reviews):
        return report
    pairs = {pair.digest for pair in read_pairs(folder)}
    judgements = [one for one in judgements if one.pair in pairs]
    judge: JudgeReport | None = None
    if judgements:
        judge = judge_report(
            names,
            judgements[0].model,
            judgements[0].rubric,
            [one.verdicts for one in judgements if one.verdicts],
            Counter(one.unjudged for one in judgements if not one.verdicts),
            len(pairs),
            report.seed,
        )
    people = review_report(
        names,
        {name: {pair: one for pair, one in own.items() if pair in pairs} for name, own in given.items()},
        {one.pair: one.verdicts for one in judgements if one.verdicts},
        report.seed,
    )
    report = report.model_copy(update={"judge": judge, "reviews": people})
    found = sections(report)
    pages: dict[Path, str] = {}
    for name, text in ((PAGE, render_markdown(found)), (HTML, render_sections(found))):
        path = folder / name
        try:
            pages[path] = put_in(path.read_text(encoding="utf-8"), text, path)
        except (FileNotFoundError, UnicodeDecodeError) as error:
            reason = "not there" if isinstance(error, FileNotFoundError) else "not text in UTF-8"
            raise EvaluationError(f"{path}: {reason}; run `boffin evaluate --force` to write it anew") from None
    for path, page in pages.items():
        write_text(path, page)
    write_json(folder / REPORT, report.model_dump())
    return report
