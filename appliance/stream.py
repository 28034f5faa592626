"""The endpoint's replies, parsed: the events of an answer's stream, the served models, health, errors.

Knows the JSON of OpenAI's protocol and server-sent events; nothing about connections.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from appliance.wire import Citation, CodeCheck, ContextExceeded, Delta, Done, Event, Health, Source, Timings, Usage
from bundle.errors import ServerError

T = TypeVar("T")


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
    code: str | int | None = None


@dataclass(frozen=True)
class _Chunk:
    choices: list[_Choice] = field(default_factory=list)
    usage: Usage | None = None
    timings: Timings | None = None
    cached: bool | None = None
    sources: list[Source] | None = None
    repaired: bool = False
    error: _Error | None = None


@dataclass(frozen=True)
class _Model:
    id: str


@dataclass(frozen=True)
class _Models:
    data: list[_Model]


_CHUNK = TypeAdapter(_Chunk)
HEALTH = TypeAdapter(Health)
MODELS = TypeAdapter(_Models)


class AnswerStream:
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
        self._repaired = False
        self.ended = False

    def feed(self, line: str) -> Event | None:
        """What a line says, or None when it says nothing for the caller."""
        name, _, data = line.partition(":")
        data = data.strip()
        if name != "data" or self.ended:
            return None
        if data == "[DONE]":
            self.ended = True
            told = (self._sources, self._citations, self._checks, self._repaired)
            return Done(self._finish_reason, self._usage, self._timings, self._cached, *told)
        chunk = parse(_CHUNK, data, self._url)
        if chunk.error is not None:
            raise ServerError(f"{self._url}: {one_line(chunk.error.message)}")
        self._usage = chunk.usage or self._usage
        self._timings = chunk.timings or self._timings
        self._cached = self._cached if chunk.cached is None else chunk.cached
        self._sources = self._sources if chunk.sources is None else tuple(chunk.sources)
        self._repaired = self._repaired or chunk.repaired
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


def parse(adapter: TypeAdapter[T], data: str | bytes, url: str) -> T:
    """A reply of the kind that is expected.

    Raises:
        ServerError: it isn't one.
    """
    try:
        return adapter.validate_json(data)
    except ValidationError:
        raise ServerError(f"{url}: the reply is not an appliance's; check the address and the port") from None


def refusal(status: int, body: bytes, url: str) -> ServerError:
    """An error reply as the one line that it is shown as."""
    try:
        error = _CHUNK.validate_json(body).error
    except ValidationError:
        error = None
    said = one_line(error.message) if error else "the reply is not an appliance's; check the address and the port"
    too_long = error is not None and error.code == "context_length_exceeded"
    return (ContextExceeded if too_long else ServerError)(f"{url}: {said} (HTTP {status})")


def one_line(text: str) -> str:
    """A message from outside, fit for a terminal: one line, no control characters, not endless."""
    return "".join(character if character.isprintable() else " " for character in text[:500]).strip()
