"""A verdict on two answers to one question: marks from 1 to 5 by criterion, and which answer is better.

Whoever gives it sees the answers as A and B and knows nothing else of them; here they are the first and the second
candidate's again. It holds nothing of the texts. Knows nothing about who gave it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

Mark = Literal[1, 2, 3, 4, 5]
Side = Literal["first", "second"]
Better = Literal["first", "second", "tie"]
LEANING: dict[Better, int] = {"first": -1, "tie": 0, "second": 1}
"""A preference as an ordinal value."""


class Part(BaseModel):
    """A frozen part of what is written; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Marks(Part):
    """One answer's marks, from 1 (very poor) to 5 (very good)."""

    clarity: Mark
    code_quality: Mark
    accuracy: Mark
    completeness: Mark


CRITERIA = tuple(Marks.model_fields)
TITLES = {name: name.replace("_", " ") for name in CRITERIA}
"""What people read."""


class Verdict(Part):
    """What somebody says about a pair of answers."""

    better: Better
    left: Side
    """Whose answer was shown as A, before the other."""
    first: Marks | None = None
    """The first candidate's marks; None where only a preference was given."""
    second: Marks | None = None

    def marks(self, side: Side) -> Marks | None:
        """A candidate's marks."""
        return self.first if side == "first" else self.second


def settled(verdicts: Sequence[Verdict]) -> Better:
    """What verdicts on one pair in both orders come to: an answer is better only where all of them say so.

    That is the conservative way of Zheng et al. (2023), Judging LLM-as-a-Judge, section 3.4: what flips with the order
    is a tie.
    """
    said = {verdict.better for verdict in verdicts}
    return said.pop() if len(said) == 1 else "tie"
