"""One line for each request, its id, and the counts of what came: what an operator sees of the server.

Prompts are only in it where the settings ask for them. Routes add to `record_of`; this knows nothing of what requests
mean.
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from appliance.server.logs import REQUESTS
from appliance.server.metrics import HttpCounts

log = logging.getLogger(REQUESTS)

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""Ids that clients may give; others are replaced."""


def record_of(scope: Scope) -> dict[str, Any]:
    """What will be logged of a request."""
    record: dict[str, Any] = scope.setdefault("state", {}).setdefault("record", {})
    return record


class Journal:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, counts: HttpCounts) -> None:
        self._app = app
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and note what became of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.monotonic(), 0
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _ID.fullmatch(given) else uuid.uuid4().hex

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            seconds = time.monotonic() - began
            route = getattr(scope.get("route"), "path", "other")
            self._counts.requests[route, status] += 1
            self._counts.seconds += seconds
            state = scope.get("state", {})
            told = {
                "id": request_id,
                "method": scope["method"],
                "path": scope["path"],
                "status": status,
                "ms": round(seconds * 1000, 1),
                "peer": scope["client"][0] if scope.get("client") else "",
                **({"key": state["key"]} if "key" in state else {}),
                **state.get("record", {}),
            }
            log.info("request", extra={"told": told})
