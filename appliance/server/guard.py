"""What is refused before a request is read: foreign hosts and origins, and bodies that are too large.

A web page can make a browser call a server on the same machine, under a name that it lets point there (DNS
rebinding); so only loopback names and those that are listed are taken in `Host` and `Origin`. An address can't be
pointed elsewhere, so where others may call, addresses are taken, too. Knows nothing about what requests mean.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from appliance.loopback import is_loopback
from appliance.server.failures import ApiError, reply
from appliance.settings import ApplianceSettings


class Guard:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, settings: ApplianceSettings, listed: Callable[[str], bool]) -> None:
        """`listed` tells whether pages of an origin, in lower case, may ask."""
        self._app = app
        self._listed = listed
        self._most = settings.limits.body_bytes
        self._addresses = not is_loopback(settings.host)
        self._hosts = frozenset(host.lower() for host in settings.access.hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._foreign(headers)
        length = headers.get("content-length", "0")
        if refusal is None and (not length.isdigit() or int(length) > self._most):
            refusal = _too_large(self._most)
        if refusal is not None:
            await reply(scope["path"], refusal)(scope, receive, send)
            return
        await self._app(scope, _Bounded(receive, self._most), send)

    def _foreign(self, headers: Headers) -> ApiError | None:
        if not self._named(_hostname(f"//{headers.get('host', '')}")):
            return _elsewhere("Host", "appliance.access.hosts")
        origin = headers.get("origin")
        if origin is not None and not self._listed(origin.lower()) and not is_loopback(_hostname(origin)):
            return _elsewhere("Origin", "appliance.access.origins")
        return None

    def _named(self, host: str) -> bool:
        return is_loopback(host) or host in self._hosts or (self._addresses and _is_address(host))


class Pages(CORSMiddleware):
    """ASGI middleware: tells browsers that pages of listed origins may ask, and read the answer (CORS)."""

    def __init__(self, app: ASGIApp, listed: Callable[[str], bool]) -> None:
        exposed = ["X-Request-Id", "Retry-After"]
        super().__init__(app, allow_methods=["GET", "POST"], allow_headers=["*"], expose_headers=exposed)
        self._listed = listed

    def is_allowed_origin(self, origin: str) -> bool:
        """Whether it is listed."""
        return self._listed(origin.lower())


class _Bounded:
    """A request's body, cut off when it grows too large whatever its headers said."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive = receive
        self._most = most
        self._received = 0

    async def __call__(self) -> Message:
        message = await self._receive()
        self._received += len(message.get("body", b""))
        if self._received > self._most:
            raise _too_large(self._most)
        return message


def _too_large(most: int) -> ApiError:
    return ApiError(413, f"the body is too large; at most {most} bytes are taken", "body_too_large")


def _elsewhere(header: str, setting: str) -> ApiError:
    return ApiError(403, f"{header} is not this machine, and not listed in {setting}", "foreign_host")


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
