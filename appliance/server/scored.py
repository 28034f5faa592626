"""Log-probabilities in the shape of OpenAI's completions: tokens as text, with their places in it.

Knows nothing about how scores are computed.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable
from typing import Any

from appliance.engine.request import TokenScore

PieceOf = Callable[[int], bytes]
"""The bytes of a token, control tokens' too."""


class ScoredText:
    """Scored tokens, collected; their texts joined are the text that `text_offset` counts in."""

    def __init__(self, piece: PieceOf) -> None:
        self._piece = piece
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._tokens: list[str] = []
        self._scores: list[TokenScore] = []

    def add(self, scores: Iterable[TokenScore]) -> None:
        """Append tokens. A character made of several tokens stands with the last of them."""
        for score in scores:
            self._tokens.append(self._decoder.decode(self._piece(score.token)))
            self._scores.append(score)

    def text(self) -> str:
        """The text of all tokens so far."""
        return "".join(self._tokens)

    def begin_as(self, text: str) -> None:
        """Drop what a vocabulary put before a text that doesn't begin with it: a space, or the token that begins it."""
        surplus = len(self.text()) - len(text)
        if surplus <= 0 or not self.text().endswith(text):
            return
        for place, token in enumerate(self._tokens):
            cut = min(surplus, len(token))
            self._tokens[place] = token[cut:]
            surplus -= cut
            if not surplus:
                return

    def logprobs(self) -> dict[str, Any]:
        """The `logprobs` object of a choice."""
        offsets, place = [], 0
        for token in self._tokens:
            offsets.append(place)
            place += len(token)
        return {
            "tokens": self._tokens,
            "token_logprobs": [score.logprob for score in self._scores],
            "top_logprobs": [None if score.logprob is None else self._top(score) for score in self._scores],
            "text_offset": offsets,
        }

    def _top(self, score: TokenScore) -> dict[str, float]:
        # The best first, so that of two tokens with one text (parts of characters) the likelier one stays.
        top: dict[str, float] = {}
        for token, logprob in score.top:
            top.setdefault(self._piece(token).decode("utf-8", "replace"), logprob)
        return top
