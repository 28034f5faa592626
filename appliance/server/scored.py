"""Log-probabilities in OpenAI's two shapes: of a chat's tokens, and of a completion's with their places in its text.

Knows nothing about how scores are computed.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable
from typing import Any

from appliance.engine.request import TokenScore

PieceOf = Callable[[int], bytes]
"""The bytes of a token, control tokens' too."""


def chat_logprobs(scores: Iterable[TokenScore], piece: PieceOf) -> dict[str, Any]:
    """The `logprobs` object of a chat's choice."""

    def told(token: int, logprob: float | None) -> dict[str, Any]:
        data = piece(token)
        return {"token": data.decode("utf-8", "replace"), "logprob": logprob, "bytes": list(data)}

    content = [
        told(score.token, score.logprob) | {"top_logprobs": [told(*top) for top in score.top]} for score in scores
    ]
    return {"content": content, "refusal": None}


class ScoredText:
    """Scored tokens, collected; all texts joined, taken ones too, are the text that `text_offset` counts in."""

    def __init__(self, piece: PieceOf) -> None:
        self._piece = piece
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._tokens: list[str] = []
        self._scores: list[TokenScore] = []
        self._place = 0

    def add(self, scores: Iterable[TokenScore]) -> None:
        """Append tokens. A character made of several tokens stands with the last of them."""
        for score in scores:
            self._tokens.append(self._decoder.decode(self._piece(score.token)))
            self._scores.append(score)

    def text(self) -> str:
        """The text of the tokens that weren't taken yet."""
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

    def take(self) -> dict[str, Any]:
        """The `logprobs` object of a choice, of the tokens that weren't taken yet."""
        offsets = []
        for token in self._tokens:
            offsets.append(self._place)
            self._place += len(token)
        scores, tokens = self._scores, self._tokens
        self._scores, self._tokens = [], []
        return {
            "tokens": tokens,
            "token_logprobs": [score.logprob for score in scores],
            "top_logprobs": [None if score.logprob is None else self._top(score) for score in scores],
            "text_offset": offsets,
        }

    def _top(self, score: TokenScore) -> dict[str, float]:
        # The best first, so that of two tokens with one text (parts of characters) the likelier one stays.
        top: dict[str, float] = {}
        for token, logprob in score.top:
            top.setdefault(self._piece(token).decode("utf-8", "replace"), logprob)
        return top
