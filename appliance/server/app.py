"""The routes: `/v1/chat/completions`, `/v1/completions`, `/v1/models`, `/health`.

Knows OpenAI's protocol and the engine's requests and events; nothing about processes, addresses or signals.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from appliance.engine.errors import EngineError
from appliance.engine.request import Finished, GenerationRequest, Piece, PromptScored
from appliance.server import failures, replies
from appliance.server.answering import Answering
from appliance.server.failures import ApiError
from appliance.server.guard import Guard
from appliance.server.schema import ChatRequest, CompletionRequest
from appliance.server.scored import ScoredText
from appliance.settings import ApplianceSettings
from bundle.manifest import Manifest, ModelFile

if TYPE_CHECKING:  # it imports llama.cpp, which the server loads only after it listens
    from appliance.engine.expert import Expert


@dataclass
class Serving:
    """What is served; the expert is there once it is loaded."""

    manifest: Manifest
    file: ModelFile
    settings: ApplianceSettings
    expert: Expert | None = None
    since: int = field(default_factory=lambda: int(time.time()))
    """Unix time of the start."""

    def ready(self, model: str | None) -> Expert:
        """The loaded expert, if it is the one that is asked for.

        Raises:
            ApiError: it isn't, or it is still loading.
        """
        name = self.manifest.name
        if model is not None and model != name:
            message = f"the model {model!r} is not served here; {name!r} is"
            raise ApiError(404, message, "model_not_found", param="model")
        if self.expert is None:
            raise ApiError(503, f"{name} is still loading; try again", "model_loading", retry_after=1)
        return self.expert


@dataclass(frozen=True)
class _Completion:
    """One prompt of a completion request, on its way."""

    answering: Answering
    request: GenerationRequest
    echo: str | None
    """The prompt's own text, where it is wanted in the reply and known."""


def create_app(serving: Serving) -> FastAPI:
    """The application around what is served."""
    # No documentation pages: they load scripts from elsewhere.
    app = FastAPI(title="Boffin", docs_url=None, redoc_url=None)
    app.add_middleware(Guard)
    failures.install(app)

    @app.get("/health")
    async def health() -> JSONResponse:
        state = _health(serving)
        return JSONResponse(state, 200 if state["status"] == "ok" else 503)

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        model = {"id": serving.manifest.name, "object": "model", "created": serving.since, "owned_by": "boffin"}
        return {"object": "list", "data": [model]}

    @app.post("/v1/chat/completions")
    async def chat(body: ChatRequest, client: Request) -> Response:
        expert = serving.ready(body.model)
        messages = [message.plain() for message in body.messages]
        prompt = await asyncio.to_thread(expert.chat_prompt, messages)
        request = _generation(expert, prompt, body, body.longest)
        answering = await Answering.begin(expert, request, client, cache=_may_cache(body, client))
        if body.stream:
            return _stream(_chat_events(answering, serving.manifest.name, body.wants_usage_chunk))
        text, finished = await _whole(answering)
        reply = replies.Reply("chatcmpl", "chat.completion", serving.manifest.name)
        choice = replies.chat_choice(text, finished.reason)
        return JSONResponse(reply.whole([choice], **replies.closing(finished, answering.cached)))

    @app.post("/v1/completions")
    async def completions(body: CompletionRequest, client: Request) -> Response:
        expert = serving.ready(body.model)
        begun: list[_Completion] = []
        try:
            for prompt in body.prompts:
                begun.append(await _begin_completion(expert, prompt, body, client))
            if body.stream:
                return _stream(_text_events(begun[0], serving.manifest.name, body.wants_usage_chunk))
            done = [await _whole_completion(completion, expert, index) for index, completion in enumerate(begun)]
        except BaseException:
            for completion in begun:
                completion.answering.close()
            raise
        choices, ends = [choice for choice, _ in done], [finished for _, finished in done]
        end = replies.closing(ends[0], all(completion.answering.cached for completion in begun))
        end["usage"] = replies.usage(*ends)
        reply = replies.Reply("cmpl", "text_completion", serving.manifest.name)
        return JSONResponse(reply.whole(choices, **end))

    return app


def _health(serving: Serving) -> dict[str, Any]:
    state: dict[str, Any] = {
        "status": "loading",
        "model": serving.manifest.name,
        "bundle": serving.manifest.digest,
        "quantisation": serving.file.quantisation,
        "context": serving.settings.context,
        "slots": serving.settings.slots,
        "queue_limit": serving.settings.queue,
    }
    if serving.expert is not None:
        load = serving.expert.engine.load()
        state |= {
            "status": "failed" if load.failed else "ok",
            "detail": "the engine has failed; the log says why" if load.failed else "",
            "backend": serving.expert.backend,
            "devices": [f"{device.name}: {device.description}" for device in serving.expert.devices],
            "slots_busy": load.busy,
            "queue": load.waiting,
        }
    return state


def _may_cache(body: ChatRequest | CompletionRequest, client: Request) -> bool:
    return body.cache and "no-store" not in client.headers.get("cache-control", "").lower()


def _generation(
    expert: Expert, prompt: tuple[int, ...], body: ChatRequest | CompletionRequest, max_tokens: int | None, **more: Any
) -> GenerationRequest:
    return expert.request(
        prompt,
        max_tokens=max_tokens,
        temperature=body.temperature,
        top_p=body.top_p,
        repeat_penalty=body.repeat_penalty,
        seed=body.seed,
        stop=body.stops,
        **more,
    )


async def _begin_completion(
    expert: Expert, prompt: str | list[int], body: CompletionRequest, client: Request
) -> _Completion:
    text = prompt if isinstance(prompt, str) else None
    tokens = await asyncio.to_thread(expert.text_prompt, prompt) if isinstance(prompt, str) else tuple(prompt)
    scored = body.echo and body.logprobs is not None
    request = _generation(expert, tokens, body, body.max_tokens, logprobs=body.logprobs, score_prompt=scored)
    answering = await Answering.begin(expert, request, client, cache=_may_cache(body, client))
    if body.echo and text is None:
        text = b"".join(expert.model.piece(token, special=True) for token in tokens).decode("utf-8", "replace")
    return _Completion(answering, request, text if body.echo else None)


async def _whole(answering: Answering) -> tuple[str, Finished]:
    """The text of an answer, and its end."""
    text = []
    async with aclosing(answering.events()) as events:
        async for event in events:
            if isinstance(event, Piece):
                text.append(event.text)
            elif isinstance(event, Finished):
                return "".join(text), event
    raise EngineError("the answer has no end")


async def _whole_completion(completion: _Completion, expert: Expert, index: int) -> tuple[dict[str, Any], Finished]:
    """The choice of one prompt, and its end."""
    scored = ScoredText(lambda token: expert.model.piece(token, special=True))
    text = [completion.echo or ""]
    async with aclosing(completion.answering.events()) as events:
        async for event in events:
            if isinstance(event, PromptScored):
                scored.add(event.scores)
                scored.begin_as(completion.echo or "")
            elif isinstance(event, Piece):
                text.append(event.text)
                scored.add([event.score] if event.score else [])
            elif isinstance(event, Finished):
                logprobs = None if completion.request.logprobs is None else scored.logprobs()
                return replies.text_choice("".join(text), event.reason, logprobs, index), event
    raise EngineError("the answer has no end")


def _stream(events: AsyncGenerator[str]) -> StreamingResponse:
    return StreamingResponse(events, media_type="text/event-stream", headers={"Cache-Control": "no-cache"})


async def _chat_events(answering: Answering, model: str, usage_chunk: bool) -> AsyncGenerator[str]:
    reply = replies.Reply("chatcmpl", "chat.completion.chunk", model)
    yield replies.event(reply.whole([replies.chat_delta({"role": "assistant", "content": ""})]))
    try:
        async with aclosing(answering.events()) as events:
            async for event in events:
                if isinstance(event, Piece):
                    yield replies.event(reply.whole([replies.chat_delta({"content": event.text})]))
                elif isinstance(event, Finished):
                    end = replies.closing(event, answering.cached)
                    yield reply.ending(replies.chat_delta({}, event.reason), end, usage_chunk=usage_chunk)
    except EngineError as error:
        yield _failure(error)


async def _text_events(completion: _Completion, model: str, usage_chunk: bool) -> AsyncGenerator[str]:
    reply = replies.Reply("cmpl", "text_completion", model)
    if completion.echo:
        yield replies.event(reply.whole([replies.text_choice(completion.echo, None, None)]))
    try:
        async with aclosing(completion.answering.events()) as events:
            async for event in events:
                if isinstance(event, Piece):
                    yield replies.event(reply.whole([replies.text_choice(event.text, None, None)]))
                elif isinstance(event, Finished):
                    end = replies.closing(event, completion.answering.cached)
                    yield reply.ending(replies.text_choice("", event.reason, None), end, usage_chunk=usage_chunk)
    except EngineError as error:
        yield _failure(error)


def _failure(error: EngineError) -> str:
    """The event that ends a stream whose answer failed: there is no status code left to say it with."""
    refusal = failures.as_api_error(error)
    return replies.event(failures.error_body(str(refusal.detail), refusal.status_code, refusal.code))
