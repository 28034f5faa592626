"""What is measured on each answer to a suite's questions, and the series that the metrics are taken from.

Knows nothing about who answered, or how a report looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.bootstrap import Series
from evaluation.endpoint import Answer
from evaluation.escape import one_line
from evaluation.measures.code import CodeMeasures, measure_code
from evaluation.suite.checker import Verdict
from evaluation.suite.must import Completeness, completeness
from evaluation.suite.question import Question
from symbols.table import SymbolTable

PASSES = "suite_passes"
"""The one metric that only the questions with a check have."""


@dataclass(frozen=True)
class Judged:
    """One answer to a question of the suite, with all that was measured on it."""

    question: Question
    answer: Answer
    code: CodeMeasures
    completeness: Completeness
    verdict: Verdict | None
    """How its check went; None where no check was run."""

    @property
    def ends_by_itself(self) -> bool:
        """Whether it ended before the bound on tokens cut it off."""
        return self.answer.finish_reason == "stop"

    @property
    def passes(self) -> bool:
        """Whether its code passes the question's check."""
        return self.verdict is not None and self.verdict.result == "passed"

    @property
    def score(self) -> float:
        """From 0 to 1, to order answers to one question by: the mean of what is measured."""
        parts = [float(self.code.valid_python), float(self.code.existing_symbols), self.completeness.share]
        return sum([*parts, float(self.passes)] if self.verdict else parts) / (len(parts) + bool(self.verdict))

    @property
    def remarks(self) -> str:
        """What was measured, for a reader of the answer."""
        missing = ", ".join(map(str, self.completeness.missing))
        checks = {
            "no python block": not self.code.python_block,
            "invalid Python": self.code.python_block and not self.code.valid_python,
            f"unknown: {', '.join(self.code.unknown)}": bool(self.code.unknown),
            f"deprecated: {', '.join(self.code.deprecated)}": bool(self.code.deprecated),
            f"lacks {missing}": bool(missing),
            "cut off": not self.ends_by_itself,
        }
        said = [*self.answer.length, *(text for text, holds in checks.items() if holds)]
        if self.verdict:
            detail = f": {self.verdict.detail}" if self.verdict.detail else ""
            said.append(f"check {self.verdict.result}{detail}")
        return one_line(", ".join(said), 500)


def judge(
    questions: Sequence[Question],
    answers: Sequence[Answer],
    verdicts: Sequence[Verdict] | None,
    table: SymbolTable,
) -> list[Judged]:
    """Measure each answer; the lists run along the questions. `verdicts` is None where no code was run."""
    return [
        Judged(
            question,
            answer,
            measure_code(answer.text, "", table, f"{question.text} {question.check.before if question.check else ''}"),
            completeness(question, answer.text),
            verdicts[number] if verdicts is not None and question.check else None,
        )
        for number, (question, answer) in enumerate(zip(questions, answers, strict=True))
    ]


def suite_series(judged: Sequence[Judged]) -> dict[str, Series]:
    """What was measured on every question, by the names of the metrics."""
    return {
        "suite_valid_python": Series.of([one.code.valid_python for one in judged]),
        "suite_existing_symbols": Series.of([one.code.existing_symbols for one in judged]),
        "suite_deprecated": Series.of([bool(one.code.deprecated) for one in judged]),
        "suite_complete": Series.of([one.completeness.share for one in judged]),
        "suite_ends_by_itself": Series.of([one.ends_by_itself for one in judged]),
    }


def passing_series(judged: Sequence[Judged]) -> dict[str, Series]:
    """What was measured on the questions whose check was run; empty where there are none."""
    checked = [one.passes for one in judged if one.verdict]
    return {PASSES: Series.of(checked)} if checked else {}
