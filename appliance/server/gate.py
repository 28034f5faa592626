"""Who may pass: with a file of keys, only requests with one of them, and each key only so often.

Knows nothing about what requests mean.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from appliance.keys import Key, find_key, load_keys
from appliance.server.failures import ApiError, reply
from appliance.server.panel import PATHS
from bundle.errors import SettingsError

log = logging.getLogger(__name__)

OPEN = frozenset({"/health", *PATHS})
"""What needs no key: a supervisor asks for the one, and any reader's browser for the others."""
PUBLIC = frozenset({"/v1/chat/completions"})
"""What a key that stands in web pages does for."""


class Keyring:
    """The keys of a file, and how much each may still ask."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            SettingsError: there is none, or it can't be read.
        """
        self._path = path
        self._keys = load_keys(path)
        self._left: dict[str, tuple[float, float]] = {}
        """The requests that a key has left, and when that was so."""

    def reload(self) -> None:
        """Read the file again; if it can't be read, the keys stay as they are."""
        try:
            self._keys = load_keys(self._path)
            log.info("read %d keys", len(self._keys))
        except SettingsError as error:
            log.error("the keys stay as they were: %s", error)

    def find(self, authorization: str) -> Key | None:
        """The key in an `Authorization` header, if it is one of the file's."""
        scheme, _, secret = authorization.partition(" ")
        return find_key(self._keys, secret.strip()) if scheme.lower() == "bearer" else None

    def has_origin(self, origin: str) -> bool:
        """Whether a key is for pages of this origin."""
        return any(origin in key.origins for key in self._keys)

    def spend(self, key: Key) -> float:
        """Count a request of a key; returns 0, or the seconds until it may ask again."""
        if not key.requests_a_minute:
            return 0.0
        now, most = time.monotonic(), float(key.requests_a_minute)
        left, then = self._left.get(key.name, (most, now))
        left = min(most, left + (now - then) * most / 60)
        self._left[key.name] = (left - 1 if left >= 1 else left, now)
        return 0.0 if left >= 1 else (1 - left) * 60 / most


class Gate:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, keyring: Keyring) -> None:
        self._app = app
        self._keyring = keyring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http" and (refusal := self._refusal(scope)) is not None:
            await reply(scope["path"], refusal)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> ApiError | None:
        headers = Headers(scope=scope)
        key = self._keyring.find(headers.get("authorization", ""))
        if key is not None and key.origins:
            if scope["path"] not in PUBLIC or headers.get("origin", "").lower() not in key.origins:
                message = f"the key {key.name} is for chats from pages of {', '.join(key.origins)} alone"
                return ApiError(403, message, "key_not_for_this")
            scope.setdefault("state", {})["public"] = True
        if key is not None:
            scope.setdefault("state", {})["key"] = key.name
        if scope["path"] in OPEN:
            return None
        if key is None:
            message = "this server needs an API key that it knows; send it as `Authorization: Bearer KEY`"
            refusal = ApiError(401, message, "invalid_api_key")
            refusal.headers = {"WWW-Authenticate": "Bearer"}
            return refusal
        seconds = self._keyring.spend(key)
        if seconds:
            message = f"the key {key.name} may ask {key.requests_a_minute} times a minute; wait a little"
            return ApiError(429, message, "rate_limit_exceeded", retry_after=int(seconds) + 1)
        return None
