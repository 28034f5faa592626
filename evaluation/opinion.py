"""Opinions: what a judge's or people's verdicts come to, for the report.

Shares, means with intervals, and how far those who judge agree. Knows nothing about how they were asked, or how a
report looks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from evaluation.alpha import ordinal_alpha
from evaluation.bootstrap import Series
from evaluation.estimate import Difference, Estimates, ReportPart, estimate
from evaluation.significance import sign_test
from evaluation.verdict import CRITERIA, LEANING, Better, Side, Verdict, settled

PREFERENCE = "preference"
"""The key beside the criteria under which the agreement on which answer is better stands."""
_SIDES: tuple[Side, Side] = ("first", "second")


class Preferred(ReportPart):
    """How often which answer was better."""

    first: int
    tie: int
    second: int
    p: float
    """Two-sided p of the exact sign test over the questions."""


class Opinion(ReportPart):
    """What verdicts come to."""

    preferred: Preferred
    marked: int
    """How many questions have marks."""
    candidates: dict[str, Estimates]
    """Candidate → criterion → mean mark, from 1 to 5; empty where no marks were given."""
    differences: dict[str, Difference]
    """Criterion → how much the second candidate's mean is above the first's."""
    shown_first: float | None
    """Of the verdicts that prefer an answer, the share that prefers the one shown first; 0.5 is no bias by position."""
    shown_first_p: float
    """Two-sided p of the exact sign test: over the questions on which the places don't balance."""


class JudgeReport(ReportPart):
    """What the judge says."""

    model: str
    rubric: str
    """SHA-256 of the rubric."""
    judged: int
    """How many questions it judged, each in both orders."""
    available: int
    """How many there are to judge."""
    unjudged: dict[str, int]
    """Why others weren't judged → how many."""
    same_verdict: float | None
    """Share of the questions with the same verdict in both orders."""
    alpha: dict[str, float | None]
    """Criterion → Krippendorff's alpha between both orders."""
    opinion: Opinion | None
    """None where nothing was judged."""


class Agreement(ReportPart):
    """How far a reviewer and the judge agree."""

    verdicts: int
    """On how many questions both gave a verdict."""
    same: float
    """Share of them with the same verdict."""
    marked: int
    """On how many both gave marks."""
    alpha: dict[str, float | None]
    """Criterion, and `preference` → Krippendorff's alpha between the two."""


class ReviewReport(ReportPart):
    """What people say."""

    reviewers: dict[str, int]
    """Reviewer → how many pairs they judged."""
    shared: int
    """How many pairs several of them judged."""
    alpha: dict[str, float | None]
    """Criterion, and `preference` → Krippendorff's alpha between the reviewers."""
    with_judge: dict[str, Agreement]
    """Reviewer → agreement with the judge; without those whose pairs it didn't judge."""
    opinion: Opinion


def judge_report(
    names: Sequence[str],
    model: str,
    rubric: str,
    verdicts: Sequence[Sequence[Verdict]],
    unjudged: Mapping[str, int],
    available: int,
    seed: int,
) -> JudgeReport:
    """Sum up a judge's verdicts, which are two for each question that it judged of those available, in either order."""
    return JudgeReport(
        model=model,
        rubric=rubric,
        judged=len(verdicts),
        available=available,
        unjudged=dict(unjudged),
        same_verdict=fmean(len({one.better for one in both}) == 1 for both in verdicts) if verdicts else None,
        alpha={name: ordinal_alpha(_marks(verdicts, name)) for name in CRITERIA},
        opinion=_opinion(names, verdicts, [[settled(both)] for both in verdicts], seed) if verdicts else None,
    )


def review_report(
    names: Sequence[str],
    reviews: Mapping[str, Mapping[str, Verdict]],
    judged: Mapping[str, Sequence[Verdict]],
    seed: int,
) -> ReviewReport | None:
    """Sum up people's verdicts: reviewer → pair → verdict; `judged` has the judge's, by pair. None without any."""
    reviews = {name: own for name, own in reviews.items() if own}
    if not reviews:
        return None
    pairs = sorted({pair for own in reviews.values() for pair in own})
    verdicts = [[own[pair] for own in reviews.values() if pair in own] for pair in pairs]
    both = {name: [(one, judged[pair]) for pair, one in own.items() if pair in judged] for name, own in reviews.items()}
    return ReviewReport(
        reviewers={name: len(own) for name, own in sorted(reviews.items())},
        shared=sum(len(some) > 1 for some in verdicts),
        alpha={name: ordinal_alpha(_marks(verdicts, name)) for name in CRITERIA}
        | {PREFERENCE: ordinal_alpha([[LEANING[one.better] for one in some] for some in verdicts])},
        with_judge={name: _agreement(own) for name, own in sorted(both.items()) if own},
        opinion=_opinion(names, verdicts, [[one.better for one in some] for some in verdicts], seed),
    )


def _agreement(both: Sequence[tuple[Verdict, Sequence[Verdict]]]) -> Agreement:
    """`both` has a reviewer's verdicts, each beside the judge's two."""
    preferences = [(one.better, settled(others)) for one, others in both]
    return Agreement(
        verdicts=len(both),
        same=fmean(one == other for one, other in preferences),
        marked=len(_beside(both, CRITERIA[0])) // len(_SIDES),
        alpha={name: ordinal_alpha(_beside(both, name)) for name in CRITERIA}
        | {PREFERENCE: ordinal_alpha([[LEANING[one], LEANING[other]] for one, other in preferences])},
    )


def _opinion(
    names: Sequence[str], verdicts: Sequence[Sequence[Verdict]], better: Sequence[Sequence[Better]], seed: int
) -> Opinion:
    """`verdicts` and `better` run along the questions."""
    first, tie, second = ([sum(one == side for one in some) for some in better] for side in LEANING)
    ahead = [sum(one.better == one.left for one in some) for some in verdicts]
    behind = [sum(one.better not in (one.left, "tie") for one in some) for some in verdicts]
    decided = sum(ahead) + sum(behind)
    marked = [some for some in ([one for one in all_of if one.first and one.second] for all_of in verdicts) if some]
    candidates, differences = _estimates(names, marked, seed)
    return Opinion(
        preferred=Preferred(first=sum(first), tie=sum(tie), second=sum(second), p=sign_test(first, second)),
        marked=len(marked),
        candidates=candidates,
        differences=differences,
        shown_first=sum(ahead) / decided if decided else None,
        shown_first_p=sign_test(ahead, behind),
    )


def _estimates(
    names: Sequence[str], marked: Sequence[Sequence[Verdict]], seed: int
) -> tuple[dict[str, Estimates], dict[str, Difference]]:
    """Mean marks, a question's being the mean of all that it was given."""
    if not marked:
        return {}, {}
    series = {
        name: {
            criterion: Series.of([fmean(getattr(one.marks(side), criterion) for one in some) for some in marked])
            for criterion in CRITERIA
        }
        for name, side in zip(names, _SIDES, strict=True)
    }
    return estimate(series, {name: {} for name in names}, len(marked), seed)


def _marks(verdicts: Sequence[Sequence[Verdict]], criterion: str) -> list[list[float]]:
    """For each answer all marks that it was given."""
    return [_given(some, side, criterion) for some in verdicts for side in _SIDES]


def _given(verdicts: Sequence[Verdict], side: Side, criterion: str) -> list[float]:
    return [getattr(marks, criterion) for one in verdicts if (marks := one.marks(side))]


def _beside(both: Sequence[tuple[Verdict, Sequence[Verdict]]], criterion: str) -> list[list[float]]:
    """For each answer that a reviewer gave marks: theirs, and the mean of the judge's."""
    units = []
    for one, others in both:
        for side in _SIDES:
            own, judges = _given([one], side, criterion), _given(others, side, criterion)
            if own and judges:
                units.append([*own, fmean(judges)])
    return units
