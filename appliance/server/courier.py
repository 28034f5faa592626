"""The way from the engine's thread into the event loop: one call a step for all answers together.

Waking the loop for each token would make the two threads take turns at the interpreter several times a step. Knows
nothing about what the events say.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress

from appliance.engine.request import Event


class Mailbox:
    """The events of one client's answers, each with the number of its answer; to be read in the event loop."""

    def __init__(self) -> None:
        self._events: list[tuple[int, Event]] = []
        self._arrived = asyncio.Event()

    def put(self, number: int, event: Event) -> None:
        """Add an event; only in the event loop."""
        self._events.append((number, event))
        self._arrived.set()

    async def take(self) -> list[tuple[int, Event]]:
        """All events that are there, the first first; waits for one where there is none."""
        await self._arrived.wait()
        self._arrived.clear()
        events, self._events = self._events, []
        return events


class Courier:
    """Carries events into one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._bag: deque[tuple[Mailbox, int, Event]] = deque()

    def put(self, mailbox: Mailbox, number: int, event: Event) -> None:
        """Take an event, on any thread; it travels with the next `deliver`."""
        self._bag.append((mailbox, number, event))

    def deliver(self) -> None:
        """Send all that was taken on its way, on any thread."""
        if self._bag:
            with suppress(RuntimeError):  # the loop is closed, so nobody waits any more
                self._loop.call_soon_threadsafe(self._hand_over)

    def _hand_over(self) -> None:
        while self._bag:
            mailbox, number, event = self._bag.popleft()
            mailbox.put(number, event)
