"""A suite for those who ask with another program: its questions as rows, its grader one answer at a time.

The grader is the one of Boffin's own report, without the table of a dataset's symbols. Knows nothing about that
program, or about who answers.
"""

from __future__ import annotations

from pathlib import Path

from bundle.errors import EvaluationError
from evaluation.measures.code import valid_python
from evaluation.suite.checker import Checker
from evaluation.suite.folder import load_suite
from evaluation.suite.must import completeness
from evaluation.suite.proof import wanted_imports, warm_imports

VALID, COMPLETE, PASSES = "valid_python", "complete", "passes"
"""What is measured: the code's syntax, the share of the must list, whether the question's check passes; from 0 to 1."""


class Examiner:
    """A suite's questions, and what grades answers to them; `close` ends what runs their code."""

    def __init__(self, suite: Path) -> None:
        """Read a suite and make sure that answers' code can be run, before anybody is asked.

        Raises:
            SuiteError: the suite is missing, or something in it can't be used.
            EvaluationError: code can't be contained on this machine, or a library that it needs isn't installed.
        """
        questions = load_suite(suite).questions
        self._questions = {question.id: question for question in questions}
        checked = [question for question in questions if question.check]
        installed = warm_imports(checked)
        if missing := [name for name in wanted_imports(checked) if name not in installed]:
            raise EvaluationError(f"the checks of {suite} need what isn't installed here: {', '.join(missing)}")
        self._checker = Checker(imports=installed, workers=1)
        self._checker.check([(question, question.reference) for question in checked[:1]])

    def rows(self, category: str) -> list[dict[str, str]]:
        """The id, the question and the reference answer of each question of a category."""
        return [
            {"id": question.id, "question": question.text, "reference": question.reference}
            for question in self._questions.values()
            if question.category == category
        ]

    def grade(self, name: str, answer: str) -> dict[str, float]:
        """What is measured on an answer, in Markdown, to the question of this id; `PASSES` only where it has a check.

        Raises:
            EvaluationError: code can't be run any more.
        """
        question = self._questions[name]
        measured = {VALID: float(valid_python(answer)), COMPLETE: completeness(question, answer).share}
        if question.check:
            (verdict,) = self._checker.check([(question, answer)])
            measured[PASSES] = float(verdict.result == "passed")
        return measured

    def close(self) -> None:
        """End what runs answers' code."""
        self._checker.__exit__()
