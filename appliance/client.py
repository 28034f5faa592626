"""A client of the appliance's endpoint: chat as a stream, the served models, health.

Knows HTTP, and nothing about terminals or about the engine behind the endpoint.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, Unpack

import httpx

from appliance.stream import HEALTH, MODELS, AnswerStream, one_line, parse, refusal
from appliance.wire import ChatOptions, CodeCheck, ContextExceeded, Delta, Done, Event, Health, Message
from bundle.errors import ServerError

__all__ = ["AsyncClient", "ChatOptions", "Client", "CodeCheck", "ContextExceeded", "Delta", "Done", "Health", "Message"]

CONNECT_TIMEOUT = 5.0
"""Seconds to wait for a connection."""
READ_TIMEOUT = 600.0
"""Seconds to wait for the next piece of an answer: a request may stand in the server's queue for a while."""
HEALTH_TIMEOUT = 5.0
"""Seconds to wait for the state of a server, which answers at once even while it loads its model."""


class Client:
    """A synchronous client; a context manager, safe to share between threads."""

    def __init__(self, url: str, *, timeout: float = READ_TIMEOUT, key: str = "") -> None:
        """`url` is the server's root, e.g. `http://127.0.0.1:8639`; `timeout` is the longest silence in seconds;
        `key` is what a server that wants one is shown.
        """
        self.url = _root(url)
        # No proxies from the environment: the server is this machine.
        self._http = httpx.Client(
            base_url=self.url, timeout=_timeout(timeout), headers=authorization(key), trust_env=False
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

    def chat(self, messages: Sequence[Message], **options: Unpack[ChatOptions]) -> Generator[Event]:
        """Stream the answer to a conversation: deltas and checks of its code, then one `Done`.

        Closing the iterator cancels the answer.

        Raises:
            ServerError: no server answers, or it refuses or breaks off the request.
        """
        answer = AnswerStream(self.url)
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
        return [model.id for model in parse(MODELS, response.content, self.url).data]

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

    def __init__(self, url: str, *, timeout: float = READ_TIMEOUT, key: str = "") -> None:
        """`url` is the server's root, e.g. `http://127.0.0.1:8639`; `timeout` is the longest silence in seconds;
        `key` is what a server that wants one is shown.
        """
        self.url = _root(url)
        self._http = httpx.AsyncClient(
            base_url=self.url, timeout=_timeout(timeout), headers=authorization(key), trust_env=False
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

    async def chat(self, messages: Sequence[Message], **options: Unpack[ChatOptions]) -> AsyncGenerator[Event]:
        """Stream the answer to a conversation: deltas and checks of its code, then one `Done`.

        Cancelling the task that iterates, or `aclose` of the iterator, cancels the answer.

        Raises:
            ServerError: no server answers, or it refuses or breaks off the request.
        """
        answer = AnswerStream(self.url)
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
        return [model.id for model in parse(MODELS, response.content, self.url).data]

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


def authorization(key: str) -> dict[str, str]:
    """The header that shows a server the key, where there is one.

    Raises:
        ServerError: no server's key looks like that.
    """
    if not (key.isascii() and key.isprintable()):
        raise ServerError("the key of the server has characters that no key has; look at the variable that it is in")
    return {"Authorization": f"Bearer {key}"} if key else {}


def _root(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL()
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ServerError(f"{url!r} is not the address of a server; write it like http://127.0.0.1:8639")
    return url.rstrip("/")


def _timeout(read: float) -> httpx.Timeout:
    return httpx.Timeout(read, connect=CONNECT_TIMEOUT)


def _check(response: httpx.Response, url: str) -> None:
    """Raise the one line of an error reply."""
    if response.is_error:
        raise refusal(response.status_code, response.content, url)


def _health(response: httpx.Response, url: str) -> Health:
    # A server that loads or has failed says so with 503 and the same body.
    if response.status_code not in (200, 503):
        _check(response, url)
    return parse(HEALTH, response.content, url)


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
        raise ServerError(f"{url}: the connection broke ({one_line(str(error))}); ask again") from None
