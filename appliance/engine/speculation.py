"""Guesses at the next tokens of an answer: what followed the last time that the text read as it does now.

An answer that repeats its prompt, documentation or code to be changed, is often guessed right. A guess is computed in
the same step as the token that is due, which costs less than steps of its own; each token is chosen by the answer's own
samplers all the same, and the guess is thrown away from where they choose otherwise. (Prompt lookup decoding: Saxena
2023, github.com/apoorvumang/prompt-lookup-decoding.) How long guesses are worth it follows from what steps cost here
and from how often this answer was guessed right. Knows nothing about memory or batches.
"""

from __future__ import annotations

from collections.abc import Sequence

ALIKE = 3
"""Tokens that have to be the same before what followed them is guessed."""
MOST = 8
"""Longest guess."""
FRESH = 0.5
"""Share of a guess's tokens that are taken to be right before anything is known."""
_WEIGHT = 0.1
"""Of each token that might have been guessed, in that share."""


class Costs:
    """Seconds that steps of few tokens take, by their number; between those that were measured, and beyond, straight
    lines are drawn.
    """

    def __init__(self, seconds: dict[int, float]) -> None:
        """At least two numbers of tokens have to be measured."""
        self._seconds = sorted(seconds.items())

    def __getitem__(self, tokens: int) -> float:
        """Seconds of a step of `tokens` tokens, 1 or more."""
        above = next((place for place, (count, _) in enumerate(self._seconds) if count >= tokens), -1)
        above = max(above, 1) if above >= 0 else len(self._seconds) - 1
        (less, quick), (more, slow) = self._seconds[above - 1 : above + 1]
        return quick + (slow - quick) * (tokens - less) / (more - less)


class Guesser:
    """Guesses for one answer."""

    def __init__(self, prompt: Sequence[int]) -> None:
        self._tokens: list[int] = []
        self._after: dict[tuple[int, ...], int] = {}
        """Where what followed some tokens stands, the last time."""
        self.right = FRESH
        """Share of the tokens guessed lately that were right."""
        for token in prompt:
            self._append(token)

    def add(self, token: int) -> None:
        """Take note of the answer's next token, and of whether it would have been guessed."""
        guess = self.guess(1)
        if guess:
            self.right += _WEIGHT * ((guess[0] == token) - self.right)
        self._append(token)

    def guess(self, most: int) -> tuple[int, ...]:
        """The next tokens, at most `most`; none where nothing like the end of the text was said before."""
        start = self._after.get(tuple(self._tokens[-ALIKE:]))
        return () if start is None else tuple(self._tokens[start : start + max(most, 0)])

    def worth(self, costs: Costs, beside: int) -> int:
        """How many tokens are worth guessing in a step that has `beside` tokens of other answers."""
        expected, best, length = 1.0, (beside + 1) / costs[beside + 1], 0
        for count in range(1, MOST + 1):
            expected += self.right**count
            rate = (beside + expected) / costs[beside + 1 + count]
            if rate > best:
                best, length = rate, count
        return length

    def _append(self, token: int) -> None:
        before = tuple(self._tokens[-ALIKE:])
        if len(before) == ALIKE:
            self._after[before] = len(self._tokens)
        self._tokens.append(token)
