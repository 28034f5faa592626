"""What the second candidate changes against the first, question by question: the largest gains and the worst losses.

Knows nothing about how the answers were judged, or how they are shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evaluation.suite.grade import Judged

SHOWN = 10
"""How many of either are shown."""


@dataclass(frozen=True)
class Change:
    """One question with both answers."""

    first: Judged
    second: Judged

    @property
    def difference(self) -> float:
        """How much better the second answer is, from -1 to 1."""
        return self.second.score - self.first.score


@dataclass(frozen=True)
class Changes:
    """The questions whose answers differ most."""

    names: tuple[str, str] = ("", "")
    """The first and the second candidate."""
    gains: Sequence[Change] = ()
    """The largest first."""
    losses: Sequence[Change] = ()
    """The worst first."""
    gained: int = 0
    """How many questions the second answers better."""
    lost: int = 0
    """How many it answers worse."""

    @property
    def meaning(self) -> str:
        """What is shown, in a sentence or two."""
        return (
            f"By the mean of what is measured on an answer: valid Python, existing symbols, completeness and, where it "
            f"was run, the check. {self.names[1]} gained on {self.gained} questions and lost on {self.lost}."
        )


def changed(judged: Mapping[str, Sequence[Judged]]) -> Changes:
    """The changes from the first candidate to the second; none where there is only one."""
    if len(judged) < 2:
        return Changes()
    first, second = list(judged)[:2]
    changes = [Change(one, other) for one, other in zip(judged[first], judged[second], strict=True)]
    order = sorted(changes, key=lambda change: change.difference)
    gains = [change for change in order[::-1] if change.difference > 0]
    losses = [change for change in order if change.difference < 0]
    return Changes((first, second), gains[:SHOWN], losses[:SHOWN], len(gains), len(losses))
