"""A suite's proof of itself: every reference answer has all that it must contain and passes its own check.

A check that an answer passes which does nothing is no check, an entry that the question's own text satisfies asks for
nothing, and a symbol that isn't there can't be asked for: these are faults of the question. Knows nothing about files
or tables.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from evaluation.measures.blocks import python_blocks
from evaluation.suite.checker import Checker, Verdict
from evaluation.suite.must import completeness
from evaluation.suite.program import imported_modules
from evaluation.suite.question import GENERAL, Handled, Question, Symbol

IDLE = "```python\npass\n```"
"""An answer whose code does nothing."""


@dataclass(frozen=True)
class Proof:
    """What became of one question's reference answer."""

    question: Question
    verdict: Verdict
    """How its check went."""
    faults: tuple[str, ...]
    """What is wrong with the question, in a line each; empty where nothing is."""


def prove(questions: Sequence[Question], checker: Checker) -> list[Proof]:
    """Judge each question by its own reference answer.

    Raises:
        EvaluationError: code can't be contained on this machine, or the interpreter can't be started.
    """
    own = checker.check([(question, question.reference) for question in questions])
    idle = checker.check([(question, IDLE) for question in questions])
    names = {entry.name for question in questions for entry in question.must if isinstance(entry, Symbol | Handled)}
    unknown = checker.unknown(sorted(names))
    return [
        Proof(question, verdict, tuple(_faults(question, verdict, nothing, unknown)))
        for question, verdict, nothing in zip(questions, own, idle, strict=True)
    ]


def _faults(question: Question, verdict: Verdict, idle: Verdict, unknown: frozenset[str]) -> Iterator[str]:
    for entry in question.must:
        if isinstance(entry, Symbol | Handled) and entry.name in unknown:
            yield f"must: there is no {entry.name} in the installed library"
    for entry in completeness(question, question.reference).missing:
        yield f"must: the reference answer lacks {entry}"
    for entry, satisfied in completeness(question, question.text).entries:
        if satisfied and question.library != GENERAL:  # others' problems show the function that they ask for
            yield f"must: the question's own text has {entry}"
    if question.check is None:
        return
    if verdict.result != "passed":
        yield f"check: {verdict.result}: {verdict.detail}"
    if idle.result == "passed":
        yield "check: an answer that does nothing passes it, too"


def warm_imports(questions: Sequence[Question]) -> tuple[str, ...]:
    """The packages of this interpreter that the suite's own code imports: worth importing once for all."""
    return tuple(name for name in wanted_imports(questions) if importlib.util.find_spec(name))


def wanted_imports(questions: Sequence[Question]) -> tuple[str, ...]:
    """The packages that the suite's own code imports, installed here or not, without the standard library."""
    code = [
        block
        for question in questions
        for block in (
            *python_blocks(question.reference),
            *((question.check.before, question.check.after) if question.check else ()),
        )
    ]
    roots = {name.partition(".")[0] for one in code for name in imported_modules(one)}
    return tuple(sorted(roots - set(sys.stdlib_module_names) - {"__main__"}))
