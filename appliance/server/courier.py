"""The way from the engine's thread into the event loop: one call a step for all answers together.

Waking the loop for each token would make the two threads take turns at the interpreter several times a step; and so
would waking it as `call_soon_threadsafe` does, which lets go of the interpreter while it writes: the engine's thread
then waits for the loop's before it can go on. Here it writes with the interpreter in its hands, and the loop's thread
gets that when the next step is being computed. Knows nothing about what the events say.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import weakref
from collections import deque
from contextlib import suppress

from appliance.engine.request import Event

_write = ctypes.PyDLL(None).write
"""The system's, called without letting go of the interpreter."""
_write.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t]


class Mailbox:
    """The events of one client's answers, each with the number of its answer; to be read in the event loop."""

    def __init__(self) -> None:
        self._events: list[tuple[int, Event]] = []
        self._reader: asyncio.Future[None] | None = None
        """Who waits for an event."""

    def put(self, number: int, event: Event) -> None:
        """Add an event; only in the event loop."""
        self._events.append((number, event))
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def take(self) -> list[tuple[int, Event]]:
        """All events that are there, the first first; waits for one where there is none."""
        if not self._events:
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        events, self._events = self._events, []
        return events


class Courier:
    """Carries events into one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._bag: deque[tuple[Mailbox, int, Event]] = deque()
        self._bell, self._button = os.pipe()
        for end in (self._bell, self._button):
            os.set_blocking(end, False)
            weakref.finalize(self, os.close, end)
        loop.add_reader(self._bell, self._hand_over)

    def put(self, mailbox: Mailbox, number: int, event: Event) -> None:
        """Take an event, on any thread; it travels with the next `deliver`."""
        self._bag.append((mailbox, number, event))

    def deliver(self) -> None:
        """Send all that was taken on its way, on any thread."""
        if self._bag:
            _write(self._button, b"\0", 1)  # where nothing more goes in, the bell is ringing anyway

    def _hand_over(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._bell, 4096)
        while self._bag:
            mailbox, number, event = self._bag.popleft()
            mailbox.put(number, event)
