"""What the operating system tells this process: SIGTERM and SIGINT to stop, SIGHUP to read its keys again.

Heard from the first moment, also before there is a server to stop. Knows nothing about what stopping means.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Stop = Callable[[int, FrameType | None], None]


class Signals:
    """Signals, heard while this listens."""

    def __init__(self) -> None:
        self._stop: Stop | None = None
        self._early: int | None = None
        self.reload: Callable[[], None] | None = None
        """What SIGHUP does."""

    def stop_with(self, stop: Stop) -> None:
        """Let the signals to stop call `stop`; one that came already does so now."""
        self._stop = stop
        if self._early is not None:
            stop(self._early, None)

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Hear them, when this is the main thread, which alone gets signals."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handlers: dict[int, Stop] = {signal.SIGINT: self._stops, signal.SIGTERM: self._stops}
        if hasattr(signal, "SIGHUP"):
            handlers[signal.SIGHUP] = self._reloads
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stops(self, number: int, frame: FrameType | None) -> None:
        if self._stop is None:
            self._early = number
        else:
            self._stop(number, frame)

    def _reloads(self, _number: int, _frame: FrameType | None) -> None:
        if self.reload is not None:
            self.reload()
