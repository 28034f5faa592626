"""One answer whose code is mended on its way: its events, from all the requests that it takes.

Where it goes on otherwise, another request takes the place of the one that is being answered: its prompt goes on with
what of the answer stays, which the engine has in its memory. Knows nothing about who answers, or how events travel.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from appliance.engine.request import Event, Finished, GenerationRequest, Piece, Timings
from appliance.mending import Detour, Mender


class Repair:
    """Follows an answer through the requests that it takes; no piece is taken back."""

    def __init__(
        self, first: GenerationRequest, mender: Mender, tokens: Callable[[str], tuple[int, ...]], given: int
    ) -> None:
        """`tokens` makes those of an answer's text, of which `given` characters stand in the first request's prompt."""
        self._first = self._last = first
        self._mender = mender
        self._tokens = tokens
        self._given = given
        self._began = time.monotonic()
        self._spoke = 0.0
        """When the first piece came."""
        self._waited: Timings | None = None

    @property
    def repaired(self) -> bool:
        """Whether the answer has gone on otherwise anywhere."""
        return self._mender.mended

    def follow(self, event: Event) -> tuple[list[Event], GenerationRequest | None]:
        """What is told now that an event of the last request has come, and the request that is to take its place.

        Where there is one, no later event of the last request counts. Takes milliseconds where a line ends.
        """
        if isinstance(event, Piece):
            self._spoke = self._spoke or time.monotonic()
            text, detour = self._mender.feed(event.text)
        elif isinstance(event, Finished):
            text, detour = self._mender.end(cut_off=event.reason != "stop")
        else:
            return [event], None
        if detour is not None:
            self._last = self._request(detour)
            return [], self._last
        told: list[Event] = [Piece(text)] if text else []
        return [*told, self._whole(event)] if isinstance(event, Finished) else told, None

    def heard(self, end: Finished) -> None:
        """The first request has ended where it was: what its prompt took is what the answer's took."""
        self._waited = end.timings

    def _request(self, detour: Detour) -> GenerationRequest:
        first = self._first
        tokens = first.tokens + self._tokens(detour.kept[self._given :])
        return replace(
            first,
            tokens=tokens,
            max_tokens=max(1, first.max_tokens - len(tokens) + len(first.tokens)),
            sampling=replace(first.sampling, grammar=detour.grammar),
            deadline=first.deadline and max(0.001, first.deadline - (time.monotonic() - self._began)),
        )

    def _whole(self, end: Finished) -> Finished:
        """The end of the last request as that of the whole answer."""
        first, last = self._first, self._last
        if first is last:
            return end
        count = len(last.tokens) - len(first.tokens) + end.completion_tokens
        seconds, waited = time.monotonic() - self._spoke, self._spoke - self._began
        timings = replace(
            self._waited or Timings(prompt_n=len(first.tokens), prompt_ms=round(waited * 1000, 3)),
            predicted_n=count,
            predicted_ms=round(seconds * 1000, 3),
            predicted_per_second=round((count - 1) / seconds, 2) if seconds > 0 else 0.0,
        )
        return Finished(end.reason, len(first.tokens), count, timings)
