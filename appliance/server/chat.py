"""`/v1/chat/completions`: a conversation goes on, whole or as a stream of chunks.

Knows OpenAI's protocol; nothing about the engine's thread or sockets.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from appliance.checking import Checked
from appliance.citing import Cited
from appliance.engine.errors import EngineError
from appliance.engine.request import Finished, Piece, TokenScore
from appliance.server import failures, replies
from appliance.server.answering import Answering, Told
from appliance.server.openai_schema import ChatRequest
from appliance.server.scored import chat_logprobs
from appliance.server.serving import Serving
from appliance.server.sources import chat_annotations_of, check_of, read_by
from appliance.server.stream import Stream, described

if TYPE_CHECKING:  # it imports llama.cpp, which the server loads only after it listens
    from appliance.engine.expert import Expert


def router(serving: Serving) -> APIRouter:
    """The route, for what is served."""
    routes = APIRouter()

    @routes.post("/v1/chat/completions", responses=described())
    async def chat(body: ChatRequest, client: Request) -> Response:
        messages, begun = body.conversation
        answering = await serving.chat(
            client,
            messages,
            begun=begun,
            grounding=body.grounding,
            check=body.check,
            model=body.model,
            cache=body.cache,
            choices=body.n,
            **body.sampling(),
            deadline=body.deadline,
            max_tokens=body.longest,
            json_schema=body.response_format.schema_of() if body.response_format else None,
            logprobs=(body.top_logprobs or 0) if body.logprobs else None,
        )
        model = body.model or serving.manifest.name
        if body.stream:
            return Stream(_chunks(answering, serving.ready(), model, body))
        return JSONResponse(await _whole(answering, serving.ready(), model, body))

    return routes


async def _whole(answering: Answering, expert: Expert, model: str, body: ChatRequest) -> dict[str, Any]:
    texts: defaultdict[int, list[str]] = defaultdict(list)
    scores: defaultdict[int, list[TokenScore]] = defaultdict(list)
    checks: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    annotations: dict[int, list[dict[str, Any]]] = {}

    def take(number: int, event: Told) -> None:
        if isinstance(event, Checked):
            checks[number].append(check_of(event))
        elif isinstance(event, Cited):
            annotations[number] = chat_annotations_of(event, answering.grounding)
        elif isinstance(event, Piece):
            texts[number].append(event.text)
            if event.score is not None:
                scores[number].append(event.score)

    ends = await answering.ends(take)
    choices = []
    for number, end in enumerate(ends):
        logprobs = chat_logprobs(scores[number], expert.piece) if body.logprobs else None
        choice = replies.chat_choice(number, "".join(texts[number]), end.reason, logprobs)
        choice["message"]["annotations"] = annotations.get(number, [])
        choices.append({**choice, "checks": checks[number]})
    reply = replies.Reply("chatcmpl", "chat.completion", model)
    told = {**read_by(answering), "repaired": answering.repaired}
    return reply.whole(choices, **told, **replies.closing(ends, answering.cached, body.n))


async def _chunks(answering: Answering, expert: Expert, model: str, body: ChatRequest) -> AsyncGenerator[bytes]:
    reply = replies.Reply("chatcmpl", "chat.completion.chunk", model)
    heads = [b'"index":%d,"delta":{"content":' % number for number in range(body.n)]
    ends: dict[int, Finished] = {}
    # The sources come with the first chunk, so that a reader has them before the text.
    told = read_by(answering)
    for number in range(body.n):
        first = replies.chat_delta(number, {"role": "assistant", "content": ""})
        yield replies.event(reply.whole([first], **(told if number == 0 else {})))
    try:
        async with aclosing(answering.batches()) as batches:
            async for batch in batches:
                parts = []
                for number, event in batch:
                    if isinstance(event, Piece) and event.score is None:
                        parts.append(reply.piece(heads[number], event.text, b'},"logprobs":null,"finish_reason":null'))
                    elif isinstance(event, Piece) and event.score is not None:
                        logprobs = chat_logprobs([event.score], expert.piece)
                        parts.append(reply.chunk(replies.chat_delta(number, {"content": event.text}, logprobs)))
                    elif isinstance(event, Checked):
                        parts.append(reply.chunk({**replies.chat_delta(number, {}), "checks": [check_of(event)]}))
                    elif isinstance(event, Cited):
                        cited = {"annotations": chat_annotations_of(event, answering.grounding)}
                        parts.append(reply.chunk(replies.chat_delta(number, cited)))
                    elif isinstance(event, Finished):
                        ends[number] = event
                        choice = replies.chat_delta(number, {}, reason=replies.finish_reason(event.reason))
                        if len(ends) < body.n:
                            parts.append(reply.chunk(choice))
                            continue
                        closing = replies.closing([ends[each] for each in range(body.n)], answering.cached, body.n)
                        closing["repaired"] = answering.repaired
                        parts.append(reply.ending([choice], closing, usage_chunk=body.wants_usage_chunk))
                yield b"".join(parts)
    except EngineError as error:
        yield failures.last_event(error)
