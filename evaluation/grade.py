"""What is measured on each answer of an interview, and the series that the metrics are taken from.

Knows nothing about intervals, about other candidates or about how a report looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bundle.records import Record
from evaluation.bootstrap import Series
from evaluation.endpoint import Answer, Loss
from evaluation.interview import Interview
from evaluation.measures.code import CodeMeasures, measure_code
from evaluation.measures.text import repetition
from evaluation.suite.checker import Verdict
from symbols.table import SymbolTable


@dataclass(frozen=True)
class Graded:
    """One answer with all that was measured on it."""

    answer: Answer
    loss: Loss | None
    """Its candidate's loss on the reference answer; None where it can't be scored."""
    code: CodeMeasures
    ends_by_itself: bool
    repetition: float
    asked: bool = True
    """Whether its question is about a symbol."""
    verdict: Verdict | None = None
    """How its code ran; None where it wasn't run."""

    @property
    def runs(self) -> bool:
        """Whether its code uses the symbol, and was run to its end."""
        return self.verdict is not None and self.verdict.result == "passed"

    @property
    def remarks(self) -> str:
        """What was measured, for a reader of the answer."""
        checks = {
            "no python block": not self.code.python_block,
            "invalid Python": self.code.python_block and not self.code.valid_python,
            f"unknown: {', '.join(self.code.unknown)}": bool(self.code.unknown),
            f"deprecated: {', '.join(self.code.deprecated)}": bool(self.code.deprecated),
            "does not use the symbol": self.code.valid_python and not self.code.uses_symbol,
            f"does not run: {self.verdict.detail if self.verdict else ''}": bool(self.verdict) and not self.runs,
            "cut off": not self.ends_by_itself,
        }
        return ", ".join([*self.answer.length, *(text for text, holds in checks.items() if holds)])


def grade(questions: Sequence[Record], spoken: Interview, table: SymbolTable) -> list[Graded]:
    """Measure each answer of an interview; the lists run along the questions."""
    losses: Sequence[Loss | None] = spoken.losses or [None] * len(spoken.answers)
    return [
        Graded(
            answer,
            loss,
            measure_code(answer.text, record.provenance.symbol, table, record.question),
            answer.finish_reason == "stop",
            repetition(answer.text),
            bool(record.provenance.symbol),
        )
        for record, answer, loss in zip(questions, spoken.answers, losses, strict=True)
    ]


def series(graded: Sequence[Graded], *, ran: bool) -> dict[str, Series]:
    """What was measured on each question, by the names of the metrics; what isn't known of each is left out.

    Args:
        graded: the answers.
        ran: whether their code was run.
    """
    losses = [one.loss for one in graded if one.loss]
    waits = [one.answer.first_token for one in graded if one.answer.first_token is not None]
    counted = all(one.answer.length for one in graded)
    asked = [float(one.asked) for one in graded]
    return {
        **({"loss": Series([one.total for one in losses], [one.tokens for one in losses])} if losses else {}),
        "python_block": Series.of([one.code.python_block for one in graded]),
        "valid_python": Series.of([one.code.valid_python for one in graded]),
        "existing_symbols": Series.of([one.code.existing_symbols for one in graded]),
        "unknown_symbols": Series.of([bool(one.code.unknown) for one in graded]),
        "deprecated": Series.of([bool(one.code.deprecated) for one in graded]),
        **(
            {"uses_symbol": Series([one.asked and one.code.uses_symbol for one in graded], asked)} if any(asked) else {}
        ),
        **({"runs": Series.of([one.runs for one in graded])} if ran else {}),
        "ends_by_itself": Series.of([one.ends_by_itself for one in graded]),
        "repetition": Series.of([one.repetition for one in graded]),
        **({"tokens": Series.of([one.answer.tokens for one in graded])} if counted else {}),
        **({"first_token": Series.of(waits)} if len(waits) == len(graded) else {}),
    }
