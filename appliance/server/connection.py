"""A connection that waits for its client only so long: to send a request whole, and to take what is written to it.

Knows about bytes and time; nothing about requests' contents. Built on uvicorn's protocol over h11.
"""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


class PatientProtocol(H11Protocol):
    """One connection."""

    patience = 30.0
    """Seconds."""
    _reading: asyncio.TimerHandle | None = None
    _writing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._expect_request()

    def data_received(self, data: bytes) -> None:
        """Take bytes; the time for a request counts from its first byte."""
        super().data_received(data)
        self._expect_request()

    def _expect_request(self) -> None:
        if self.conn.their_state in (h11.IDLE, h11.SEND_BODY):
            self._reading = self._reading or self.loop.call_later(self.patience, self.transport.abort)
        else:
            self._request_is_here()

    def _request_is_here(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def on_response_complete(self) -> None:
        """End one exchange; uvicorn closes the connection if no other begins."""
        self._request_is_here()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """The client doesn't take what is written."""
        super().pause_writing()
        self._expect_reader()

    def resume_writing(self) -> None:
        """It does again."""
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, also when its client has not taken all that was written."""
        super().timeout_keep_alive_handler()
        self._expect_reader()

    def _expect_reader(self) -> None:
        self._writing = self._writing or self.loop.call_later(self.patience, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._request_is_here()
        self.resume_writing()
        super().connection_lost(exc)


def patient(seconds: float) -> type[PatientProtocol]:
    """The protocol with as much patience."""
    return type("PatientProtocol", (PatientProtocol,), {"patience": seconds})
