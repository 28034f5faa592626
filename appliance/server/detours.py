"""One answer whose code goes on otherwise where it names what doesn't exist, from all the requests that it takes.

Where there is a detour, another request takes the place of the one that is being answered: its prompt goes on with what
of the answer stays, which the engine has in its memory. Knows nothing about HTTP.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from appliance.engine.request import Event, Finished, Piece, Timings
from appliance.mending import Detour, Mender
from appliance.server.courier import Courier, Mailbox

if TYPE_CHECKING:  # they import llama.cpp, which the server loads only after it listens
    from appliance.engine.expert import Expert
    from appliance.engine.slot import Ticket


class Detours:
    """The events of an answer as they are told: no piece is taken back."""

    def __init__(
        self,
        expert: Expert,
        courier: Courier,
        mailbox: Mailbox,
        tickets: list[Ticket],
        mender: Mender,
        given: int,
    ) -> None:
        """The answer is that of the one ticket; those that take its place are added.

        Of its text, which the mender follows, `given` characters stand in its prompt.
        """
        self._expert = expert
        self._mailbox = mailbox
        self._listener: Callable[[int], Callable[[Event], None]] = lambda number: partial(courier.put, mailbox, number)
        self._tickets = tickets
        self._mender = mender
        self._given = given
        self._prompted = Timings()
        """Of the first request."""
        self._spoke = 0.0
        """When the first piece came."""

    async def take(self) -> list[tuple[int, Event]]:
        """The next events, as `Mailbox.take` gives them.

        Raises:
            EngineError: the engine takes no request any more.
        """
        told: list[tuple[int, Event]] = []
        while not told:
            for number, event in await self._mailbox.take():
                if number == 0 and isinstance(event, Finished):
                    self._prompted = event.timings
                if number == len(self._tickets) - 1:  # else of one that another has taken the place of
                    told += [(0, one) for one in await self._follow(event)]
        return told

    async def _follow(self, event: Event) -> list[Event]:
        if isinstance(event, Piece):
            self._spoke = self._spoke or time.monotonic()
            look = partial(self._mender.feed, event.text)
            text, detour = await asyncio.to_thread(look) if "\n" in event.text else look()
        elif isinstance(event, Finished):
            text, detour = await asyncio.to_thread(self._mender.end, cut_off=event.reason != "stop")
        else:
            return [event]
        if detour is not None:
            await asyncio.to_thread(self._go, detour)
            return []
        pieces: list[Event] = [Piece(text)] if text else []
        return [*pieces, self._whole(event)] if isinstance(event, Finished) else pieces

    def _go(self, detour: Detour) -> None:
        first = self._tickets[0].request
        tokens = first.tokens + self._expert.begun(detour.kept[self._given :])
        deadline = first.deadline and max(0.001, self._tickets[0].expires - time.monotonic())
        request = replace(
            first,
            tokens=tokens,
            max_tokens=max(1, first.max_tokens - len(tokens) + len(first.tokens)),
            sampling=replace(first.sampling, grammar=detour.grammar),
            deadline=deadline,
        )
        listener = self._listener(len(self._tickets))
        self._tickets.append(self._expert.engine.submit(request, listener, instead_of=self._tickets[-1]))

    def _whole(self, end: Finished) -> Finished:
        """The end of the last request as that of the whole answer."""
        first, last = self._tickets[0], self._tickets[-1]
        if first is last:
            return end
        count = len(last.request.tokens) - len(first.request.tokens) + end.completion_tokens
        seconds = time.monotonic() - self._spoke
        timings = replace(
            self._prompted,
            predicted_n=count,
            predicted_ms=round(seconds * 1000, 3),
            predicted_per_second=round((count - 1) / seconds, 2) if seconds > 0 else 0.0,
        )
        return Finished(end.reason, len(first.request.tokens), count, timings)
