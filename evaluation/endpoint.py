"""A client of one candidate's OpenAI-compatible endpoint: its answers, and its loss on reference answers.

The answer cache is asked to stay off. Every reply is checked before it is used. Knows nothing about records,
prompt templates or measures.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Annotated, Any, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evaluation.candidate import Candidate
from evaluation.connection import Connection

_EXTENSIONS = ("repeat_penalty",)
"""Fields of llama.cpp's that are none of OpenAI's."""


@dataclass(frozen=True)
class Answer:
    """One answer of a candidate."""

    text: str
    """The answer, in Markdown, as it came."""
    finish_reason: str
    """Why it ended: `stop` by itself, `length` by the bound on tokens."""
    tokens: int
    """Its length in the candidate's own tokens, its end token included where the endpoint counts it."""
    seconds: float
    """From the request to the whole reply; other requests were under way meanwhile."""
    prompt_tokens: int = 0
    """Length of its prompt in the candidate's own tokens; 0 where that isn't told."""
    first_token: float | None = None
    """Seconds until its first token, as the endpoint tells it; None where it doesn't."""

    @property
    def length(self) -> tuple[str, ...]:
        """How long it is, in words; nothing where its tokens weren't counted."""
        return (f"{self.tokens} tokens",) if self.tokens or not self.text else ()


@dataclass(frozen=True)
class Loss:
    """A candidate's loss on one reference answer."""

    total: float
    """Negative log-likelihood of the answer's tokens given the prompt, in nats, summed."""
    tokens: int
    """How many tokens the answer has."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Message(_Part):
    content: str | None = None


class _ChatChoice(_Part):
    message: _Message
    finish_reason: str


class _Usage(_Part):
    completion_tokens: int = Field(ge=0)
    prompt_tokens: int = Field(default=0, ge=0)


class _Timings(_Part):
    prompt_ms: float | None = Field(default=None, ge=0, allow_inf_nan=False)


class _Chat(_Part):
    choices: list[_ChatChoice] = Field(min_length=1)
    usage: _Usage
    timings: _Timings | None = None
    cached: bool = False


class _LogProbabilities(_Part):
    # A log-probability may come out a rounding error above 0; that of the prompt's first token is null.
    token_logprobs: list[Annotated[float, Field(le=1e-3, allow_inf_nan=False)] | None]
    text_offset: list[int]


class _TextChoice(_Part):
    index: int
    text: str
    logprobs: _LogProbabilities


class _Completion(_Part):
    choices: list[_TextChoice]


_Reply = TypeVar("_Reply", _Chat, _Completion)


class Endpoint:
    """A connection to one candidate, to be used as a context manager; its methods may be called from many threads."""

    def __init__(self, candidate: Candidate, connections: int) -> None:
        """Prepare up to `connections` connections; nothing is sent yet.

        Raises:
            EvaluationError: the candidate's URL is none.
        """
        self._candidate = candidate
        self._key = candidate.remote.key if candidate.remote else ""
        url = candidate.url.rstrip("/").removesuffix("/v1")
        self._connection = Connection(
            f"candidate {candidate.name}", url, connections, self._key, headers={"Cache-Control": "no-store"}
        )
        # Others may have their routes below another path than /v1: that which is given.
        other = candidate.remote and not candidate.url.rstrip("/").endswith("/v1") and urlsplit(url).path.strip("/")
        self._routes = "" if other else "/v1"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connection.__exit__(kind, error, traceback)

    def answer(self, question: str, sampling: Mapping[str, float], seed: int) -> Answer:
        """Ask one question by `/v1/chat/completions`; `sampling` holds the request's fields by name.

        An endpoint that isn't Boffin's gets OpenAI's fields alone: one that it doesn't know would be refused.

        Raises:
            EvaluationError: the endpoint can't be reached, refuses, or sends what is no answer.
        """
        began = time.monotonic()
        system = self._candidate.system
        first = [] if system is None else [{"role": "system", "content": system}]
        body = {"messages": [*first, {"role": "user", "content": question}], "seed": seed, **sampling}
        if self._candidate.grounding is not None:
            body["grounding"] = self._candidate.grounding
        if self._candidate.repair:
            body["check"] = "repair"
        if self._candidate.remote:
            body = {name: value for name, value in body.items() if name not in _EXTENSIONS}
        reply = self._ask("/chat/completions", body, _Chat)
        if reply.cached:
            raise self._connection.error("the answer came from its cache, though that was ruled out; turn it off there")
        choice = reply.choices[0]
        text = choice.message.content or ""
        waited = reply.timings.prompt_ms if reply.timings else None
        return Answer(
            text.replace(self._key, "…") if self._key else text,
            choice.finish_reason,
            reply.usage.completion_tokens,
            time.monotonic() - began,
            reply.usage.prompt_tokens,
            None if waited is None else waited / 1000,
        )

    def losses(self, texts: Sequence[tuple[str, str]]) -> list[Loss]:
        """The loss of each (prompt, answer), by `/v1/completions` with `echo`, `logprobs` and no new tokens.

        This is how evaluation harnesses score; all texts go in one request. A token counts as the answer's if it
        begins where the prompt ends, or later.

        Raises:
            EvaluationError: the endpoint can't be reached, refuses, or sends what is no score of these texts.
        """
        wholes = [prompt + answer for prompt, answer in texts]
        body = {"prompt": wholes, "echo": True, "logprobs": 1, "max_tokens": 0, "temperature": 0}
        choices = sorted(self._ask("/completions", body, _Completion).choices, key=lambda choice: choice.index)
        if [choice.index for choice in choices] != list(range(len(wholes))):
            raise self._connection.useless(f"{len(choices)} scores where {len(wholes)} were asked for")
        return [
            self._loss(choice, whole, len(prompt))
            for choice, whole, (prompt, _) in zip(choices, wholes, texts, strict=True)
        ]

    def _loss(self, choice: _TextChoice, whole: str, begin: int) -> Loss:
        offsets, values = choice.logprobs.text_offset, choice.logprobs.token_logprobs
        if choice.text != whole:
            raise self._connection.useless("it echoes another text than it was sent")
        if len(offsets) != len(values) or offsets != sorted(offsets) or not offsets or offsets[-1] > len(whole):
            raise self._connection.useless("text_offset doesn't fit the text")
        scores = [value for offset, value in zip(offsets, values, strict=True) if offset >= begin]
        known = [value for value in scores if value is not None]
        if not scores or len(known) < len(scores):
            raise self._connection.useless("the answer's tokens have no log-probabilities")
        return Loss(-sum(known), len(known))

    def _ask(self, path: str, body: dict[str, Any], kind: type[_Reply]) -> _Reply:
        own = {} if self._candidate.remote else {"cache": False}
        path = self._routes + path
        content = self._connection.post(path, {"model": self._candidate.model, "stream": False, **own, **body})
        try:
            return kind.model_validate_json(content)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise self._connection.useless(f"{path}: {where or 'whole reply'}: {first['msg']}") from None
