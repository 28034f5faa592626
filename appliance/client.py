"""A client of the appliance's endpoint: chat as a stream, the served models, health.

Knows HTTP and server-sent events, and nothing about terminals or about the engine behind the endpoint.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self, TypedDict, TypeVar, Unpack

import httpx
from pydantic import TypeAdapter, ValidationError

from appliance.events import Citation, CodeCheck, Delta, Done, Health, Source, Timings, Usage
from bundle.errors import ServerError

__all__ = [
    "AsyncClient",
    "ChatOptions",
    "Citation",
    "Client",
    "CodeCheck",
    "Delta",
    "Done",
    "Health",
    "Message",
    "Source",
    "Timings",
    "Usage",
]

Message = Mapping[str, str]
"""A chat message: `role` (system, user or assistant) and `content`."""

T = TypeVar("T")

CONNECT_TIMEOUT = 5.0
"""Seconds to wait for a connection."""
READ_TIMEOUT = 600.0
"""Seconds to wait for the next piece of an answer: a request may stand in the server's queue for a while."""
HEALTH_TIMEOUT = 5.0
"""Seconds to wait for the state of a server, which answers at once even while it loads its model."""


class ChatOptions(TypedDict, total=False):
    """What a request may say about its answer; the server's settings stand in for what it leaves out."""

    model: str
    """The expert's name; left out, the one that is served."""
    temperature: float
    """0 is greedy."""
    top_p: float
    """Share of probability that is kept."""
    repeat_penalty: float
    """Penalty on tokens of the last 64; 1 is none."""
    max_tokens: int
    """Longest answer, in tokens."""
    seed: int
    """Equal seeds and settings give equal answers."""
    stop: list[str]
    """Texts that end the answer; they are not part of it."""
    cache: bool
    """False: neither read the answer from the server's cache nor store it there."""
    grounding: bool
    """Whether documentation is read before the answer."""
    check: Literal["off", "flag", "repair"]
    """What becomes of code in the answer that has what doesn't exist."""


@dataclass(frozen=True)
class _Annotation:
    url_citation: Citation


@dataclass(frozen=True)
class _Content:
    content: str | None = None
    annotations: list[_Annotation] = field(default_factory=list)


@dataclass(frozen=True)
class _Choice:
    delta: _Content = field(default_factory=_Content)
    finish_reason: str | None = None
    checks: list[CodeCheck] = field(default_factory=list)


@dataclass(frozen=True)
class _Error:
    message: str = "unknown error"


@dataclass(frozen=True)
class _Chunk:
    choices: list[_Choice] = field(default_factory=list)
    usage: Usage | None = None
    timings: Timings | None = None
    cached: bool | None = None
    sources: list[Source] | None = None
    error: _Error | None = None


@dataclass(frozen=True)
class _Model:
    id: str


@dataclass(frozen=True)
class _Models:
    data: list[_Model]


_CHUNK = TypeAdapter(_Chunk)
_HEALTH = TypeAdapter(Health)
_MODELS = TypeAdapter(_Models)


class _Answer:
    """Turns the lines of an event stream into deltas and their end."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._finish_reason = "stop"
        self._usage = Usage()
        self._timings = Timings()
        self._cached = False
        self._sources: tuple[Source, ...] = ()
        self._citations: tuple[Citation, ...] = ()
        self._checks: tuple[CodeCheck, ...] = ()
        self.ended = False

    def feed(self, line: str) -> Delta | CodeCheck | Done | None:
        """What a line says, or None when it says nothing for the caller."""
        name, _, data = line.partition(":")
        data = data.strip()
        if name != "data" or self.ended:
            return None
        if data == "[DONE]":
            self.ended = True
            told = (self._sources, self._citations, self._checks)
            return Done(self._finish_reason, self._usage, self._timings, self._cached, *told)
        chunk = _parse(_CHUNK, data, self._url)
        if chunk.error is not None:
            raise ServerError(f"{self._url}: {_one_line(chunk.error.message)}")
        self._usage = chunk.usage or self._usage
        self._timings = chunk.timings or self._timings
        self._cached = self._cached if chunk.cached is None else chunk.cached
        self._sources = self._sources if chunk.sources is None else tuple(chunk.sources)
        text = ""
        for choice in chunk.choices[:1]:
            text = choice.delta.content or ""
            self._finish_reason = choice.finish_reason or self._finish_reason
            self._citations += tuple(annotation.url_citation for annotation in choice.delta.annotations)
            self._checks += tuple(choice.checks)
            if choice.checks:
                return choice.checks[0]
        return Delta(text) if text else None

    def close(self) -> None:
        """The stream is over; raises ServerError when the answer isn't."""
        if not self.ended:
            raise ServerError(f"{self._url}: the server broke the answer off; ask again")


class Client:
    """A synchronous client; a context manager, safe to share between threads."""

    def __init__(self, url: str, *, timeout: float = READ_TIMEOUT) -> None:
        """`url` is the server's root, e.g. `http://127.0.0.1:8639`; `timeout` is the longest silence in seconds."""
        self.url = _root(url)
        # No proxies from the environment: the server is this machine.
        self._http = httpx.Client(
            base_url=self.url, timeout=_timeout(timeout), headers=authorization(), trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def chat(self, messages: Sequence[Message], **options: Unpack[ChatOptions]) -> Generator[Delta | CodeCheck | Done]:
        """Stream the answer to a conversation: deltas and checks of its code, then one `Done`.

        Closing the iterator cancels the answer.

        Raises:
            ServerError: no server answers, or it refuses or breaks off the request.
        """
        answer = _Answer(self.url)
        with (
            _one_line_errors(self.url),
            self._http.stream("POST", "/v1/chat/completions", json=_body(messages, options)) as response,
        ):
            if response.is_error:
                response.read()
                _check(response, self.url)
            for line in response.iter_lines():
                if (event := answer.feed(line)) is not None:
                    yield event
        answer.close()

    def models(self) -> list[str]:
        """The names of the served models.

        Raises:
            ServerError: no server answers.
        """
        with _one_line_errors(self.url):
            response = self._http.get("/v1/models")
        _check(response, self.url)
        return [model.id for model in _parse(_MODELS, response.content, self.url).data]

    def health(self) -> Health:
        """The server's state; it answers while it loads its model, too.

        Raises:
            ServerError: no server answers, or it is not an appliance.
        """
        with _one_line_errors(self.url):
            response = self._http.get("/health", timeout=HEALTH_TIMEOUT)
        return _health(response, self.url)


class AsyncClient:
    """The asynchronous client; an asynchronous context manager."""

    def __init__(self, url: str, *, timeout: float = READ_TIMEOUT) -> None:
        """`url` is the server's root, e.g. `http://127.0.0.1:8639`; `timeout` is the longest silence in seconds."""
        self.url = _root(url)
        self._http = httpx.AsyncClient(
            base_url=self.url, timeout=_timeout(timeout), headers=authorization(), trust_env=False
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def chat(
        self, messages: Sequence[Message], **options: Unpack[ChatOptions]
    ) -> AsyncGenerator[Delta | CodeCheck | Done]:
        """Stream the answer to a conversation: deltas and checks of its code, then one `Done`.

        Cancelling the task that iterates, or `aclose` of the iterator, cancels the answer.

        Raises:
            ServerError: no server answers, or it refuses or breaks off the request.
        """
        answer = _Answer(self.url)
        with _one_line_errors(self.url):
            async with self._http.stream("POST", "/v1/chat/completions", json=_body(messages, options)) as response:
                if response.is_error:
                    await response.aread()
                    _check(response, self.url)
                async for line in response.aiter_lines():
                    if (event := answer.feed(line)) is not None:
                        yield event
        answer.close()

    async def models(self) -> list[str]:
        """The names of the served models.

        Raises:
            ServerError: no server answers.
        """
        with _one_line_errors(self.url):
            response = await self._http.get("/v1/models")
        _check(response, self.url)
        return [model.id for model in _parse(_MODELS, response.content, self.url).data]

    async def health(self) -> Health:
        """The server's state; it answers while it loads its model, too.

        Raises:
            ServerError: no server answers, or it is not an appliance.
        """
        with _one_line_errors(self.url):
            response = await self._http.get("/health", timeout=HEALTH_TIMEOUT)
        return _health(response, self.url)


def _body(messages: Sequence[Message], options: ChatOptions) -> dict[str, Any]:
    return {"messages": [dict(message) for message in messages], "stream": True, **options}


def _root(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL()
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ServerError(f"{url!r} is not the address of a server; write it like http://127.0.0.1:8639")
    return url.rstrip("/")


def authorization() -> dict[str, str]:
    """The API key of this user, where there is one."""
    key = os.environ.get("BOFFIN_API_KEY", "")
    return {"Authorization": f"Bearer {key}"} if key else {}


def _timeout(read: float) -> httpx.Timeout:
    return httpx.Timeout(read, connect=CONNECT_TIMEOUT)


def _parse(adapter: TypeAdapter[T], data: str | bytes, url: str) -> T:
    try:
        return adapter.validate_json(data)
    except ValidationError:
        raise ServerError(f"{url}: the reply is not an appliance's; check the address and the port") from None


def _check(response: httpx.Response, url: str) -> None:
    """Raise the one line of an error reply."""
    if response.is_success:
        return
    try:
        error = _CHUNK.validate_json(response.content).error
    except ValidationError:
        error = None
    said = _one_line(error.message) if error else "the reply is not an appliance's; check the address and the port"
    raise ServerError(f"{url}: {said} (HTTP {response.status_code})")


def _health(response: httpx.Response, url: str) -> Health:
    # A server that loads or has failed says so with 503 and the same body.
    if response.status_code not in (200, 503):
        _check(response, url)
    return _parse(_HEALTH, response.content, url)


def _one_line(text: str) -> str:
    """A message from outside, fit for a terminal: one line, no control characters, not endless."""
    return "".join(character if character.isprintable() else " " for character in text[:500]).strip()


@contextmanager
def _one_line_errors(url: str) -> Iterator[None]:
    """Turn httpx's errors into one line each."""
    try:
        yield
    except httpx.ConnectError:
        raise ServerError(f"{url}: no server answers there; start one with `boffin serve`") from None
    except httpx.TimeoutException:
        raise ServerError(f"{url}: the server is there but did not answer in time; look at its log") from None
    except (httpx.HTTPError, httpx.StreamError) as error:
        raise ServerError(f"{url}: the connection broke ({_one_line(str(error))}); ask again") from None
