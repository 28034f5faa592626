"""The exam: a suite's questions put to every candidate, judged, and summed up for the report.

Knows nothing about held-out records, endpoints or files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bundle.digests import digest_value
from bundle.errors import EvaluationError
from evaluation.bootstrap import Series
from evaluation.endpoint import Answer
from evaluation.estimate import Difference, Estimate, Estimates, compare_further, estimate
from evaluation.report import SuiteReport
from evaluation.suite.checker import Checker, Verdict
from evaluation.suite.grade import Judged, judge, passing_series, suite_series
from evaluation.suite.proof import warm_imports
from evaluation.suite.question import Question
from symbols.table import SymbolTable


@dataclass(frozen=True)
class Exam:
    """What the candidates made of a suite."""

    judged: Mapping[str, Sequence[Judged]]
    """Candidate → its answers, along the questions."""
    candidates: dict[str, Estimates]
    pairs: dict[str, Difference]
    further: dict[str, dict[str, Difference]]
    """Each candidate after the second, against the second."""
    report: SuiteReport
    note: str = ""
    """Why no code was run; empty where it was."""


def examine(
    name: str,
    questions: Sequence[Question],
    available: int,
    answers: Mapping[str, Sequence[Answer]],
    table: SymbolTable,
    seed: int,
    announce: Callable[[str], None],
) -> Exam:
    """Judge every candidate's answers to a suite's questions, of which `available` could have been drawn."""
    verdicts, note = _run(questions, answers, announce)
    judged = {candidate: judge(questions, own, verdicts.get(candidate), table) for candidate, own in answers.items()}
    candidates, pairs = _estimates(judged, seed)
    groups = {
        "category": sorted({question.category for question in questions}),
        "library": sorted({question.library for question in questions}),
    }
    return Exam(
        judged,
        candidates,
        pairs,
        _further(judged, seed),
        SuiteReport(
            name=name,
            questions=len(questions),
            available=available,
            checked=sum(one.verdict is not None for one in next(iter(judged.values()))),
            digest=digest_value([[question.id, question.text, question.reference] for question in questions]),
            by={kind: {group: _group(judged, kind, group, seed) for group in names} for kind, names in groups.items()},
        ),
        note,
    )


def _run(
    questions: Sequence[Question], answers: Mapping[str, Sequence[Answer]], announce: Callable[[str], None]
) -> tuple[dict[str, list[Verdict]], str]:
    """Candidate → how every answer's check went; empty, with the reason, where no code is run."""
    if not any(question.check for question in questions):
        return {}, ""
    announce("running the answers' code")
    try:
        with Checker(imports=warm_imports(questions)) as checker:
            return {
                candidate: checker.check([(one, answer.text) for one, answer in zip(questions, own, strict=True)])
                for candidate, own in answers.items()
            }, ""
    except EvaluationError as error:
        return {}, f"the code of the answers was not run: {error}"


def _series(judged: Mapping[str, Sequence[Judged]]) -> Iterator[tuple[dict[str, dict[str, Series]], int]]:
    """Candidate → metric → what was measured, and on how many questions: on all, and on those with a check."""
    for measured in (suite_series, passing_series):
        series = {name: measured(own) for name, own in judged.items()}
        metrics = next(iter(series.values()))
        if metrics:
            yield series, len(next(iter(metrics.values())).totals)


def _estimates(judged: Mapping[str, Sequence[Judged]], seed: int) -> tuple[dict[str, Estimates], dict[str, Difference]]:
    candidates: dict[str, dict[str, Estimate]] = {name: {} for name in judged}
    pairs: dict[str, Difference] = {}
    for series, count in _series(judged):
        found, differences = estimate(series, {name: {} for name in judged}, count, seed)
        for name, estimates in found.items():
            candidates[name] |= estimates
        pairs |= differences
    return dict(candidates), pairs


def _further(judged: Mapping[str, Sequence[Judged]], seed: int) -> dict[str, dict[str, Difference]]:
    further: dict[str, dict[str, Difference]] = {name: {} for name in list(judged)[2:]}
    for series, count in _series(judged):
        for name, differences in compare_further(series, count, seed).items():
            further[name] |= differences
    return further


def _group(judged: Mapping[str, Sequence[Judged]], kind: str, group: str, seed: int) -> dict[str, Estimates]:
    own = {name: [one for one in every if getattr(one.question, kind) == group] for name, every in judged.items()}
    return _estimates(own, seed)[0]
