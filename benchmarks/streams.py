"""Clients that stream at once, and what they hear: a small client of its own, so that it costs next to nothing.

Knows OpenAI's completions as events; nothing about which server it is.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

LONGEST = 300.0
"""Seconds after which a stream counts as failed."""


@dataclass
class Stream:
    """What one client heard."""

    sent: float = 0.0
    """When it asked; this and all below in seconds of the monotonic clock."""
    ended: float = 0.0
    heard: list[float] = field(default_factory=list)
    """When a piece of text came, each of them."""
    whole: bool = False
    """Whether the answer came to its end."""
    tokens: int = 0
    """Of the answer, as the server counts them at its end; 0 where it doesn't."""
    failure: str = ""

    @property
    def first(self) -> float:
        """Seconds to the first piece."""
        return self.heard[0] - self.sent

    @property
    def gaps(self) -> list[float]:
        """Seconds between the pieces."""
        return [after - before for before, after in zip(self.heard, self.heard[1:], strict=False)]


def listen(port: int, bodies: Sequence[dict[str, Any]]) -> list[Stream]:
    """Ask all of them at once and hear the answers out."""

    async def all_of_them() -> list[Stream]:
        return await asyncio.gather(*(hear(port, body) for body in bodies))

    return asyncio.run(all_of_them())


async def hear(port: int, body: dict[str, Any], *, leave_after: int | None = None) -> Stream:
    """Ask for an answer and hear it out, or go away after some pieces of it."""
    stream = Stream(sent=time.perf_counter())
    try:
        async with asyncio.timeout(LONGEST):
            await _hear(port, body, stream, leave_after)
    except (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError) as error:
        stream.failure = f"{type(error).__name__} {error}".strip()
    if not stream.whole and leave_after is None:
        stream.failure = stream.failure or "broken off"
    stream.ended = time.perf_counter()
    return stream


async def _hear(port: int, body: dict[str, Any], stream: Stream, leave_after: int | None) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        data = json.dumps(body).encode()
        head = (
            f"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(data)}\r\nConnection: close\r\n\r\n"
        )
        writer.write(head.encode() + data)
        status = await reader.readline()
        if b" 200 " not in status:
            raise ValueError(status.decode(errors="replace").strip())
        while (leave_after is None or len(stream.heard) < leave_after) and (line := await reader.readline()):
            if not line.startswith(b"data: {"):
                continue
            event = json.loads(line[6:])
            if "error" in event:
                raise ValueError(str(event["error"])[:200])
            if event.get("usage"):
                stream.tokens = event["usage"]["completion_tokens"]
            for choice in event["choices"]:
                if choice["text"]:
                    stream.heard.append(time.perf_counter())
                if choice.get("finish_reason"):
                    stream.whole = True
    finally:
        writer.close()
