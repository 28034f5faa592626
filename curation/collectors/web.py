"""Asking a host for documents, politely: a rate, retries that wait as long as they are told to, bounds of everything.

Redirects are followed within the same host alone. Knows nothing about what the documents are, nor about a cache.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic, sleep
from typing import Self
from urllib.parse import urljoin, urlsplit

import httpx

AGENT = "boffin"
"""What it is called in robots.txt; the header says more."""
_HEADERS = {"User-Agent": "boffin/0.1 (reads documentation)", "Accept-Encoding": "gzip"}
_TIMEOUT = 30.0
_ANSWER_SECONDS = 300.0
_MAX_REDIRECTS = 5
_ATTEMPTS = 5
_BUSY = frozenset({429, 500, 502, 503, 504})
MAX_WAIT = 120.0
"""Longest wait that a host may ask for between two requests, in seconds."""


class WebError(Exception):
    """A document that wasn't had; the text says why, `code` is the reason code."""

    def __init__(self, code: str, detail: str, host_fault: bool = False) -> None:
        """`host_fault` tells whether the next document of the host will hardly fare better."""
        super().__init__(detail)
        self.code = code
        self.host_fault = host_fault


@dataclass(frozen=True)
class Answer:
    """A document, or that it hasn't changed."""

    url: str
    """The address that it was found at, after redirects."""
    body: bytes | None
    """Its bytes; None where it hasn't changed since the validators were given."""
    etag: str = ""
    modified: str = ""


class Web:
    """A client that keeps to a rate; a context manager, since it holds connections."""

    def __init__(self, requests_per_second: float, http: httpx.Client | None = None) -> None:
        """`http` is used, and left open, where it is given."""
        self._pause = 1.0 / requests_per_second
        self._http = http or httpx.Client(timeout=_TIMEOUT)
        self._own = http is None
        self._free_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._own:
            self._http.close()

    def slow_down(self, seconds: float) -> None:
        """Keep at least this pause between two requests."""
        self._pause = max(self._pause, min(seconds, MAX_WAIT))

    def get(self, url: str, limit: int, etag: str = "", modified: str = "") -> Answer:
        """Ask for a document.

        Args:
            url: its address.
            limit: bytes that it may have, unpacked.
            etag: the validator of the copy that is there; empty for none.
            modified: likewise, as a date.

        Raises:
            WebError: it wasn't had; 404 has the code `not-found`.
        """
        validators = {"If-None-Match": etag} if etag else {"If-Modified-Since": modified} if modified else {}
        try:
            return self._get(url, limit, validators)
        except WebError as error:
            if error.code != "broken-off":
                raise
        return self._get(url, limit, validators)

    def _get(self, url: str, limit: int, validators: Mapping[str, str]) -> Answer:
        with self.stream(url, validators) as response:
            found = str(response.url)
            if response.status_code == 304:
                return Answer(found, None)
            if response.status_code != 200:
                raise _status_error(response)
            body = _read(response, limit)
            return Answer(found, body, response.headers.get("ETag", ""), response.headers.get("Last-Modified", ""))

    @contextmanager
    def stream(self, url: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        """An answer whose body has yet to be read, after redirects and retries.

        Raises:
            WebError: there is none; while the body is read too.
        """
        try:
            response = self._ask(url, headers)
        except httpx.HTTPError as error:
            raise WebError("unreachable", _reason(error), host_fault=True) from None
        try:
            yield response
        except httpx.HTTPError as error:
            raise WebError("broken-off", _reason(error), host_fault=True) from None
        finally:
            response.close()

    def _ask(self, url: str, headers: Mapping[str, str]) -> httpx.Response:
        for _ in range(_MAX_REDIRECTS + 1):
            response = self._ask_until_answered(url, headers)
            location = response.headers.get("Location")
            if response.status_code not in (301, 302, 303, 307, 308) or not location:
                return response
            response.close()
            target = urljoin(url, location)
            if not is_same_host(url, target):
                raise WebError("redirected-away", f"redirected to {target[:200]}")
            url = target
        raise WebError("http-error", f"more than {_MAX_REDIRECTS} redirects")

    def _ask_until_answered(self, url: str, headers: Mapping[str, str]) -> httpx.Response:
        for attempt in range(_ATTEMPTS):
            last = attempt == _ATTEMPTS - 1
            self._wait()
            try:
                request = self._http.build_request("GET", url, headers=_HEADERS | dict(headers))
                response = self._http.send(request, stream=True, follow_redirects=False)
            except httpx.InvalidURL as error:
                raise WebError("http-error", str(error)) from None
            except httpx.TransportError:
                if last:
                    raise
                self._free_at = monotonic() + 2.0**attempt
                continue
            if response.status_code not in _BUSY or last:
                return response
            response.close()
            wait = _retry_after(response)
            if wait > MAX_WAIT:
                raise WebError("http-error", f"it asks to be left alone for {wait:.0f} s", host_fault=True)
            self._free_at = monotonic() + max(wait, 2.0**attempt)
        raise AssertionError("unreachable")

    def _wait(self) -> None:
        wait = self._free_at - monotonic()
        if wait > 0:
            sleep(wait)
        self._free_at = monotonic() + self._pause


def is_same_host(url: str, target: str) -> bool:
    """Whether an address is on the host of another; http may become https."""
    try:
        here, there = urlsplit(url), urlsplit(target)
        ports = here.port, there.port
    except ValueError:
        return False
    if here.hostname != there.hostname or there.scheme not in ("http", "https"):
        return False
    if here.scheme == there.scheme:
        return ports[0] == ports[1]
    return here.scheme == "http" and ports[0] in (None, 80) and ports[1] in (None, 443)


def _reason(error: httpx.HTTPError) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")


def _status_error(response: httpx.Response) -> WebError:
    status = response.status_code
    if status in (404, 410):
        return WebError("not-found", f"status {status}")
    return WebError("http-error", f"status {status}", host_fault=status in _BUSY)


def _retry_after(response: httpx.Response) -> float:
    """Seconds that an answer asks to wait; 0 where it says nothing."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return 0.0
    return (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds()


def _read(response: httpx.Response, limit: int) -> bytes:
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip", ""):
        raise WebError("http-error", f"packed as {encoding[:40]}, which wasn't asked for")
    pieces: list[bytes] = []
    total = 0
    for piece in _unpacked(response) if encoding.endswith("gzip") else timed(response):
        total += len(piece)
        if total > limit:
            raise WebError("too-large", f"more than {limit:,} bytes")
        pieces.append(piece)
    return b"".join(pieces)


def timed(response: httpx.Response) -> Iterator[bytes]:
    """The bytes of an answer as they come, for a bounded time.

    Raises:
        WebError: it takes too long.
    """
    end = monotonic() + _ANSWER_SECONDS
    for piece in response.iter_raw():
        yield piece
        if monotonic() > end:
            raise WebError("too-slow", f"not had within {_ANSWER_SECONDS:.0f} s")


def _unpacked(response: httpx.Response) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        for piece in timed(response):
            packed = piece
            while packed and not unpacker.eof:
                yield unpacker.decompress(packed, 256 * 1024)
                packed = unpacker.unconsumed_tail
    except zlib.error as error:
        raise WebError("http-error", f"damaged on the way ({error})") from None
    if not unpacker.eof:
        raise WebError("http-error", "it ends before its end")
