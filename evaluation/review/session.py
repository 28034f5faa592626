"""A reviewing session: which pair is before the reviewer, what their keys have said of it so far, what follows.

First which answer is better; then marks, criterion by criterion, A's before B's, or Enter for none. Knows nothing about
terminals, or how a pair is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from bundle.digests import digest_value
from evaluation.pairs import Pair
from evaluation.review.log import Log
from evaluation.verdict import CRITERIA, Better, Mark, Marks, Side, Verdict

ENTER = "\n"
_MARKS = {str(mark) for mark in get_args(Mark)}


class Session:
    """One reviewer's way through the pairs that they haven't judged yet."""

    def __init__(self, pairs: Sequence[Pair], log: Log, reviewer: str) -> None:
        """Begin with the first pair that has no verdict in the log."""
        self._log, self._reviewer = log, reviewer
        self._todo = [pair for pair in pairs if pair.digest not in log.verdicts]
        self._at = 0
        self._judged: list[int] = []
        self.total = len(pairs)
        self.choice = ""
        """`a`, `b` or `t`, once it is said which answer is better."""
        self.marks: list[int] = []
        """Marks given so far: of A and B by turns."""

    @property
    def pair(self) -> Pair | None:
        """What is before the reviewer; None at the end."""
        return self._todo[self._at] if self._at < len(self._todo) else None

    @property
    def done(self) -> int:
        """How many pairs are judged, in earlier sessions, too."""
        return self.total - len(self._todo) + len(self._judged)

    @property
    def left(self) -> Side:
        """Whose answer is A: drawn by reviewer and pair, so the same whenever the pair comes again."""
        assert self.pair
        return "first" if int(digest_value([self._reviewer, self.pair.digest])[0], 16) % 2 else "second"

    @property
    def asked(self) -> tuple[str, str] | None:
        """The criterion and the answer, `A` or `B`, whose mark is next; None until it is said which is better."""
        return (CRITERIA[len(self.marks) // 2], "AB"[len(self.marks) % 2]) if self.choice else None

    def press(self, key: str) -> bool:
        """Take a key; returns whether the session goes on. What means nothing here is passed over."""
        if key == "q":
            return False
        if key == "u":
            self._undo()
        elif self.pair is None:
            pass
        elif key == "s":
            self._go_to(self._at + 1)
        elif not self.choice:
            self.choice = key if key in ("a", "b", "t") else ""
        elif key == ENTER and not self.marks:
            self._keep()
        elif key in _MARKS:
            self.marks.append(int(key))
            if len(self.marks) == 2 * len(CRITERIA):
                self._keep()
        return True

    def _go_to(self, place: int) -> None:
        self._at, self.choice, self.marks = place, "", []

    def _undo(self) -> None:
        """Take back the last mark, else the choice, else the verdict before."""
        if self.marks:
            self.marks.pop()
        elif self.choice:
            self.choice = ""
        elif self._judged:
            self._go_to(self._judged.pop())
            self._log.keep(self._todo[self._at].digest, None)

    def _keep(self) -> None:
        assert self.pair
        left = self.left
        right: Side = "second" if left == "first" else "first"
        better: dict[str, Better] = {"a": left, "b": right, "t": "tie"}
        marks: dict[Side, Marks | None] = {left: self._marks_of(0), right: self._marks_of(1)}
        verdict = Verdict(better=better[self.choice], left=left, first=marks["first"], second=marks["second"])
        self._log.keep(self.pair.digest, verdict)
        self._judged.append(self._at)
        self._go_to(self._at + 1)

    def _marks_of(self, side: int) -> Marks | None:
        return Marks.model_validate(dict(zip(CRITERIA, self.marks[side::2], strict=True))) if self.marks else None
