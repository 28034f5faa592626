"""What is refused before a request is read: foreign hosts and origins, and bodies that are too large.

A web page can make a browser call a server on the same machine, under a name that it lets point there (DNS
rebinding); so only loopback names are taken in `Host` and `Origin`. Knows nothing about what requests mean.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from appliance.server.failures import ApiError, error_body

MAX_BODY = 4_000_000
"""Largest request body, in bytes."""


def is_loopback(host: str) -> bool:
    """Whether a name or address can only mean this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class Guard:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = _foreign(headers)
        length = headers.get("content-length", "0")
        if refusal is None and (not length.isdigit() or int(length) > MAX_BODY):
            refusal = _too_large()
        if refusal is not None:
            body = error_body(str(refusal.detail), refusal.status_code, refusal.code)
            await JSONResponse(body, refusal.status_code)(scope, receive, send)
            return
        await self._app(scope, _Bounded(receive), send)


class _Bounded:
    """A request's body, cut off when it grows too large whatever its headers said."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._received = 0

    async def __call__(self) -> Message:
        message = await self._receive()
        self._received += len(message.get("body", b""))
        if self._received > MAX_BODY:
            raise _too_large()
        return message


def _too_large() -> ApiError:
    return ApiError(413, f"the body is too large; at most {MAX_BODY} bytes are taken", "body_too_large")


def _foreign(headers: Headers) -> ApiError | None:
    for name, value in (("Host", f"//{headers.get('host', '')}"), ("Origin", headers.get("origin"))):
        if value is None:
            continue
        try:
            host = urlsplit(value).hostname or ""
        except ValueError:
            host = ""
        if not is_loopback(host):
            return ApiError(403, f"{name} is not this machine; only loopback names are served", "foreign_host")
    return None
