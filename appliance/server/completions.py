"""`/v1/completions`: bare texts or tokens go on, whole or as a stream of chunks, scored if that is wanted.

Knows OpenAI's protocol; nothing about the engine's thread or sockets.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from appliance.engine.errors import EngineError
from appliance.engine.request import Finished, Piece, PromptScored
from appliance.server import failures, replies
from appliance.server.answering import Answering, Told
from appliance.server.openai_schema import CompletionRequest
from appliance.server.scored import ScoredText
from appliance.server.serving import Serving
from appliance.server.stream import Stream, described

if TYPE_CHECKING:  # it imports llama.cpp, which the server loads only after it listens
    from appliance.engine.expert import Expert

TAIL = b',"logprobs":null,"finish_reason":null'
"""Of a chunk's choice that has only text."""


def router(serving: Serving) -> APIRouter:
    """The route, for what is served."""
    routes = APIRouter()

    @routes.post("/v1/completions", responses=described())
    async def completions(body: CompletionRequest, client: Request) -> Response:
        def tokens(expert: Expert) -> list[tuple[int, ...]]:
            return [expert.text_prompt(prompt) if isinstance(prompt, str) else tuple(prompt) for prompt in body.prompts]

        answering = await serving.answer(
            client,
            tokens,
            model=body.model,
            cache=body.cache,
            choices=body.n,
            **body.sampling(),
            deadline=body.deadline,
            max_tokens=body.max_tokens,
            logprobs=body.logprobs,
            score_prompt=body.echo and body.logprobs is not None,
        )
        expert = serving.ready()
        choices = [_Choice(number, answering, expert, body) for number in range(len(answering.requests))]
        model = body.model or serving.manifest.name
        if body.stream:
            return Stream(_chunks(answering, choices, model, body))
        ends = await answering.ends(lambda number, event: choices[number].add(event))
        whole = [choice.take(end) for choice, end in zip(choices, ends, strict=True)]
        reply = replies.Reply("cmpl", "text_completion", model)
        return JSONResponse(reply.whole(whole, **replies.closing(ends, answering.cached, body.n)))

    return routes


class _Choice:
    """One answer in the making, with what of it isn't in a reply yet."""

    def __init__(self, number: int, answering: Answering, expert: Expert, body: CompletionRequest) -> None:
        self._number = number
        self._scored = ScoredText(expert.piece) if body.logprobs is not None else None
        self._echo = ""
        if body.echo:
            prompt = body.prompts[number // body.n]
            self._echo = prompt if isinstance(prompt, str) else expert.text(answering.requests[number].tokens)
        self._text = self._echo

    @property
    def plain(self) -> bool:
        """Whether the next chunk has nothing but the next piece's text."""
        return self._scored is None and not self._text

    def add(self, event: Told) -> None:
        """Take an event in."""
        if isinstance(event, PromptScored) and self._scored is not None:
            self._scored.add(event.scores)
            self._scored.begin_as(self._echo)
        elif isinstance(event, Piece):
            self._text += event.text
            if self._scored is not None and event.score is not None:
                self._scored.add([event.score])

    def take(self, end: Finished | None = None) -> dict[str, Any]:
        """What a reply or the next chunk has of it."""
        text, self._text = self._text, ""
        reason = None if end is None else replies.finish_reason(end.reason)
        return replies.text_choice(self._number, text, reason, None if self._scored is None else self._scored.take())


async def _chunks(
    answering: Answering, choices: list[_Choice], model: str, body: CompletionRequest
) -> AsyncGenerator[bytes]:
    reply = replies.Reply("cmpl", "text_completion", model)
    heads = [b'"index":%d,"text":' % number for number in range(len(choices))]
    ends: dict[int, Finished] = {}
    try:
        async with aclosing(answering.batches()) as batches:
            async for batch in batches:
                parts = []
                for number, event in batch:
                    if isinstance(event, Piece) and choices[number].plain:
                        parts.append(reply.piece(heads[number], event.text, TAIL))
                        continue
                    choices[number].add(event)
                    if isinstance(event, Piece):
                        parts.append(reply.chunk(choices[number].take()))
                    elif isinstance(event, Finished):
                        ends[number] = event
                        choice = choices[number].take(event)
                        if len(ends) < len(choices):
                            parts.append(reply.chunk(choice))
                            continue
                        in_order = [ends[each] for each in range(len(choices))]
                        closing = replies.closing(in_order, answering.cached, body.n)
                        parts.append(reply.ending([choice], closing, usage_chunk=body.wants_usage_chunk))
                if parts:
                    yield b"".join(parts)
    except EngineError as error:
        yield failures.last_event(error)
