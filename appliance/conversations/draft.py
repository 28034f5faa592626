"""An answer while it is being written: what came is on the disk within a fraction of a second, whatever happens next.

Knows nothing about where its text comes from.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from appliance.conversations.evidence import Evidence
from appliance.conversations.message import MAX_TEXT, Figures, State

EVERY = 0.3
"""Seconds between two writes."""


class Draft:
    """One answer, open for writing."""

    def __init__(self, message: int, text: str, write: Callable[[int, str, State, Figures, Evidence], None]) -> None:
        """`write` stores the message's text, state, figures and evidence."""
        self.message = message
        """The answer's number in the store."""
        self.text = text
        """What came so far."""
        self._write = write
        self._written = time.monotonic()

    def feed(self, text: str) -> None:
        """Take the next piece."""
        self.text = (self.text + text)[:MAX_TEXT]
        now = time.monotonic()
        if now - self._written >= EVERY:
            self._written = now
            self._write(self.message, self.text, "writing", Figures(), Evidence())

    def finish(self, state: State, figures: Figures | None = None, evidence: Evidence | None = None) -> None:
        """Close it: how the answer ended, what it took, and what came with it."""
        self._write(self.message, self.text, state, figures or Figures(), evidence or Evidence())
