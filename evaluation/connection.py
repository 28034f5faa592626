"""A connection to an HTTP endpoint that speaks JSON: requests that are tried again, replies of bounded size.

A key travels in a header and is in no message. A reply is taken as it is: one that is compressed is refused. Knows
nothing about what is asked or answered.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from bundle.errors import EvaluationError
from evaluation.escape import one_line

TRIES = 3
"""How often a request is sent before an unreachable or busy endpoint is given up."""
PAUSE = 0.5
"""Seconds before the second try; twice as long before each further one, longer where the endpoint asks for it."""
LONGEST_PAUSE = 60.0
"""Seconds that are waited at most, whatever the endpoint asks for."""
TIMEOUT = httpx.Timeout(600, connect=10)
"""Seconds to wait for a reply; small machines take minutes over a long answer."""
MAX_REPLY = 64_000_000
"""Bytes beyond which a reply is refused."""
_BUSY = (408, 429, 502, 503, 504)
_LOCKED = (401, 403)
_NOWHERE = 404
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class _Error(BaseModel):
    model_config = ConfigDict(extra="ignore")

    message: str


class _Refusal(BaseModel):
    model_config = ConfigDict(extra="ignore")

    error: _Error


class RefusedError(EvaluationError):
    """The other side answers, and has nothing of use to one request; it may have to others."""

    def __init__(self, message: str, reason: str) -> None:
        """`reason` is the message without who the other side is."""
        super().__init__(message)
        self.reason = reason


class Connection:
    """A connection, to be used as a context manager; its methods may be called from many threads."""

    def __init__(
        self,
        who: str,
        url: str,
        connections: int,
        key: str = "",
        headers: Mapping[str, str] | None = None,
        *,
        seconds: float | None = None,
        most: int | None = None,
    ) -> None:
        """Prepare up to `connections` connections; nothing is sent yet.

        Args:
            who: what messages call the other side, e.g. `candidate tuned`.
            url: where it answers; paths are put behind it.
            connections: how many requests may be under way at once.
            key: a key that it asks for; empty for none.
            headers: what every request carries besides.
            seconds: how long a request may take, all its tries together; None for `TIMEOUT` at each of them.
            most: bytes beyond which a reply is refused; None for `MAX_REPLY`.

        Raises:
            EvaluationError: the URL is none, or the key can't be one.
        """
        self._who, self._url, self._key = who, url.rstrip("/"), key
        self._seconds, self._most = seconds, most
        if not (key.isascii() and key.isprintable()):
            raise self.error("its key has characters that no key has; look at it")
        try:
            address = httpx.URL(self._url)
        except httpx.InvalidURL as error:
            raise self.error(f"{one_line(str(error))}; give a URL such as http://127.0.0.1:8639") from None
        if address.scheme not in ("http", "https") or not address.host:
            raise self.error("that is no URL of HTTP; give one such as http://127.0.0.1:8639")
        self._client = httpx.Client(
            timeout=TIMEOUT if seconds is None else seconds,
            limits=httpx.Limits(max_connections=connections),
            headers={
                "Accept-Encoding": "identity",
                **(headers or {}),
                **({"Authorization": f"Bearer {key}"} if key else {}),
            },
            trust_env=address.host not in _LOOPBACK,  # a proxy can't reach this machine's own loopback
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.close()

    def post(self, path: str, body: Mapping[str, Any]) -> bytes:
        """Send a JSON body; returns the reply's bytes.

        Raises:
            RefusedError: it is refused, and another may not be, or what comes is too much.
            EvaluationError: nothing answers, or what does is busy, takes too long, or wants another key or path.
        """
        return self._send("POST", path, body)

    def get(self, path: str) -> bytes:
        """The bytes that lie there.

        Raises:
            RefusedError: it is refused, and another may not be, or what comes is too much.
            EvaluationError: nothing answers, or what does is busy, takes too long, or wants another key or path.
        """
        return self._send("GET", path, None)

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> bytes:
        trouble, pause = "", 0.0
        deadline = math.inf if self._seconds is None else time.monotonic() + self._seconds
        for attempt in range(TRIES):
            if attempt:
                pause = min(max(pause, PAUSE * 2 ** (attempt - 1)), LONGEST_PAUSE)
                if time.monotonic() + pause > deadline:
                    break
                time.sleep(pause)
            try:
                with self._client.stream(method, self._url + path, json=body) as response:
                    content = self._read(response, deadline)
            except httpx.ReadTimeout:
                raise self.error(self._too_slow(path)) from None
            except httpx.RequestError as error:
                trouble = f"nothing answers there ({one_line(str(error)) or type(error).__name__}); start its server"
                continue
            if response.status_code == httpx.codes.OK:
                return content
            look = "look at its key" if response.status_code in _LOCKED else "see the server's log"
            trouble = f"{path} is refused with {response.status_code} ({_reason(content)}); {look}"
            if response.status_code in (*_LOCKED, _NOWHERE):
                break
            if response.status_code not in _BUSY:
                raise self._refused(trouble)
            asked = response.headers.get("retry-after", "")
            pause = float(asked) if asked.isascii() and asked.isdigit() else 0.0
        raise self.error(trouble)

    def useless(self, why: str) -> RefusedError:
        """The error of a reply that can't be used."""
        return self._refused(f"its reply can't be used ({one_line(why)}); is that an OpenAI-compatible endpoint?")

    def error(self, trouble: str) -> EvaluationError:
        """An error that names the other side; a key that it repeats is left out."""
        return EvaluationError(self._named(trouble))

    def _refused(self, trouble: str) -> RefusedError:
        return RefusedError(self._named(trouble), self._without_key(trouble))

    def _named(self, trouble: str) -> str:
        return f"{one_line(self._who)} at {one_line(self._url)}: {self._without_key(trouble)}"

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "…") if self._key else text

    def _too_slow(self, path: str) -> str:
        if self._seconds is None:
            return f"{path} took over {TIMEOUT.read:.0f} s; lower `evaluation.max_tokens`, or take a smaller model"
        return f"{path} took over {self._seconds:.0f} s; see the server's log"

    def _read(self, response: httpx.Response, deadline: float) -> bytes:
        encoding, most = response.headers.get("content-encoding", ""), self._most or MAX_REPLY
        if encoding.strip().lower() not in ("", "identity"):
            raise self.useless(f"encoded as {encoding}, which nobody asked for")
        content = bytearray()
        for chunk in response.iter_raw():
            content += chunk
            if len(content) > most:
                raise self.useless(f"more than {most:,} bytes")
            if time.monotonic() > deadline:
                raise httpx.ReadTimeout("its parts come too slowly")
        return bytes(content)


def _reason(content: bytes) -> str:
    """What a refusal says, in OpenAI's shape or any other."""
    try:
        return one_line(_Refusal.model_validate_json(content).error.message)
    except ValidationError:
        return one_line(content[:1000].decode(errors="replace")) or "no reason given"
