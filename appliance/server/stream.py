"""A stream of bytes as a reply: what is ready goes out as it is, without a task of its own or another encoding.

Knows nothing about what is in it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

EVENTS = "text/event-stream"
LINES = "application/x-ndjson"


def described(media_type: str = EVENTS) -> dict[int | str, dict[str, Any]]:
    """What /openapi.json says of a route that also streams."""
    return {200: {"description": "The answer; as a stream where one is asked for.", "content": {media_type: {}}}}


class Stream(Response):
    """A reply whose parts come one after the other."""

    def __init__(self, parts: AsyncGenerator[bytes], media_type: str = EVENTS) -> None:
        # No length is known; and a proxy is to pass on each part at once.
        self.status_code = 200
        self.media_type = media_type
        self.background = None
        self._parts = parts
        self.init_headers({"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the parts; the generator is closed in any case."""
        async with aclosing(self._parts) as parts:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async for part in parts:
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
