"""judgements.jsonl: what the judge said about each pair in both orders, a line a pair.

Knows nothing about how it was asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from bundle.atomic import atomic_open
from bundle.errors import EvaluationError
from evaluation.verdict import Part, Verdict

JUDGEMENTS = "judgements.jsonl"


class Judgement(Part):
    """What became of one pair."""

    pair: str
    """The pair's digest."""
    model: str
    """The judge's name at its endpoint."""
    rubric: str
    """SHA-256 of the rubric."""
    verdicts: tuple[Verdict, ...] = ()
    """One with each answer as A; empty where the pair wasn't judged."""
    reasons: tuple[str, ...] = ()
    """What the judge gave as its reason, along the verdicts."""
    unjudged: str = ""
    """Why it wasn't judged."""


def write_judgements(report: Path, judgements: Sequence[Judgement]) -> None:
    """Write the file into a report's folder, atomically."""
    with atomic_open(report / JUDGEMENTS) as handle:
        for judgement in judgements:
            handle.write(judgement.model_dump_json() + "\n")


def read_judgements(report: Path) -> list[Judgement]:
    """The judgements in a report's folder; none where nothing was judged.

    Raises:
        EvaluationError: a line is none.
    """
    path = report / JUDGEMENTS
    if not path.is_file():
        return []
    found = []
    with path.open("rb") as handle:
        for number, line in enumerate(handle, start=1):
            try:
                found.append(Judgement.model_validate_json(line))
            except ValidationError:
                raise EvaluationError(f"{path}:{number}: damaged; delete the file and judge anew") from None
    return found
