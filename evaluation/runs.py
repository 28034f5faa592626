"""Does the code of the answers to held-out questions run?

Only code that uses what was asked about is run, in the sandbox. Knows nothing about how answers are graded otherwise.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence

from bundle.errors import EvaluationError
from bundle.records import Record
from evaluation.grade import Graded
from evaluation.suite.checker import Checker, Verdict
from evaluation.suite.draw import STDLIB


def run_code(
    questions: Sequence[Record], graded: Mapping[str, Sequence[Graded]], announce: Callable[[str], None]
) -> tuple[dict[str, list[Verdict | None]], str]:
    """Run what uses its symbol of each candidate's answers, which run along the questions.

    Returns:
        Candidate → how each answer's code fared, None where it doesn't use the symbol; empty where none can be run.
        And why none was, or an empty text.
    """
    roots = {
        record.provenance.symbol.partition(".")[0] for record in questions if record.provenance.package != STDLIB
    } - {""}
    if lacking := sorted(root for root in roots if importlib.util.find_spec(root) is None):
        return {}, f"the code of the answers was not run: {', '.join(lacking)} can't be imported here"
    asked = [
        (name, position, one.answer.text)
        for name, answers in graded.items()
        for position, one in enumerate(answers)
        if one.code.uses_symbol
    ]
    found: dict[str, list[Verdict | None]] = {name: [None] * len(answers) for name, answers in graded.items()}
    if not asked:
        return found, ""
    announce("running the answers' code")
    try:
        with Checker(imports=sorted(roots - set(sys.stdlib_module_names))) as checker:
            for (name, position, _), verdict in zip(asked, checker.run([text for *_, text in asked]), strict=True):
                found[name][position] = verdict
    except EvaluationError as error:
        return {}, f"the code of the answers was not run: {error}"
    return found, ""
