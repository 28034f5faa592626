"""Ollama's API: `/api/chat`, `/api/generate`, `/api/tags`, `/api/show`, `/api/version`.

Knows Ollama's protocol (ollama/ollama, docs/api.md); nothing about the engine's thread or sockets.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from appliance.checking import Checked
from appliance.citing import Cited
from appliance.engine.errors import EngineError
from appliance.engine.request import Finished, Piece
from appliance.server.answering import Answering, Told
from appliance.server.failures import DESCRIBED_BRIEFLY
from appliance.server.ollama_schema import OllamaChat, OllamaGenerate, OllamaShow
from appliance.server.replies import as_json, finish_reason
from appliance.server.serving import Serving
from appliance.server.sources import annotations_of, check_of, read_by
from appliance.server.stream import LINES, Stream, described

VERSION = "0.12.0"
"""The version of Ollama whose shapes these are; some clients ask for it and want a recent one."""
DEFAULT_TAG = ":latest"
"""What Ollama's clients may put after a name that has no tag."""

Shape = Callable[[str], dict[str, Any]]
"""Puts a text where a reply has it."""


def router(serving: Serving) -> APIRouter:
    """The routes, for what is served."""
    routes = APIRouter(prefix="/api", responses=DESCRIBED_BRIEFLY)

    @routes.post("/chat", responses=described(LINES))
    async def chat(body: OllamaChat, client: Request) -> Response:
        messages = [{"role": message.role, "content": message.content} for message in body.messages]

        def shape(text: str) -> dict[str, Any]:
            return {"message": {"role": "assistant", "content": text}}

        return await answer(body, client, shape, messages)

    @routes.post("/generate", responses=described(LINES))
    async def generate(body: OllamaGenerate, client: Request) -> Response:
        messages = [{"role": "system", "content": body.system}] if body.system else []
        messages.append({"role": "user", "content": body.prompt})

        talk = messages if body.prompt else []
        return await answer(body, client, lambda text: {"response": text}, talk, raw=body.prompt if body.raw else "")

    async def answer(
        body: OllamaChat | OllamaGenerate,
        client: Request,
        shape: Shape,
        messages: list[dict[str, str]],
        *,
        raw: str = "",
    ) -> Response:
        model = _name(serving, body.model)
        if not messages:  # Ollama loads the model then, which is there already
            serving.adapter(model)
            return JSONResponse({**_head(body.model), **shape(""), "done": True, "done_reason": "load"})
        began = time.monotonic()
        if raw:
            answering = await serving.answer(
                client, lambda expert: [expert.text_prompt(raw)], model=model, **body.asked()
            )
        else:
            answering = await serving.chat(
                client, messages, grounding=body.grounding, check=body.check, model=model, **body.asked()
            )
        if body.stream:
            return Stream(_lines(answering, body.model, shape, began), LINES)
        text: list[str] = []
        more: list[Checked | Cited] = []

        def take(_number: int, event: Told) -> None:
            if isinstance(event, Piece):
                text.append(event.text)
            elif isinstance(event, Checked | Cited):
                more.append(event)

        (end,) = await answering.ends(take)
        return JSONResponse({**_head(body.model), **shape("".join(text)), **_end(answering, more, end, began)})

    @routes.get("/tags")
    async def tags() -> dict[str, Any]:
        return {"models": [_listed(serving, name) for name in serving.names]}

    @routes.post("/show")
    async def show(body: OllamaShow) -> dict[str, Any]:
        serving.adapter(_name(serving, body.model or body.name))
        return _shown(serving)

    @routes.get("/version")
    async def version() -> dict[str, str]:
        return {"version": VERSION}

    return routes


async def _lines(answering: Answering, model: str, shape: Shape, began: float) -> AsyncGenerator[bytes]:
    more: list[Checked | Cited] = []
    try:
        async with aclosing(answering.batches()) as batches:
            async for batch in batches:
                parts = []
                for _, event in batch:
                    if isinstance(event, Piece) and event.text:
                        parts.append(as_json({**_head(model), **shape(event.text), "done": False}) + b"\n")
                    elif isinstance(event, Checked | Cited):
                        more.append(event)
                    elif isinstance(event, Finished):
                        parts.append(
                            as_json({**_head(model), **shape(""), **_end(answering, more, event, began)}) + b"\n"
                        )
                if parts:
                    yield b"".join(parts)
    except EngineError as error:
        yield as_json({"error": str(error)}) + b"\n"


def _name(serving: Serving, model: str) -> str:
    return model if model in serving.names else model.removesuffix(DEFAULT_TAG)


def _head(model: str) -> dict[str, Any]:
    return {"model": model, "created_at": _time(time.time())}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _end(answering: Answering, more: Sequence[Checked | Cited], end: Finished, began: float) -> dict[str, Any]:
    """What the last object of an answer tells; times in nanoseconds. The first four fields are none of Ollama's."""
    return {
        **read_by(answering),
        "repaired": answering.repaired,
        "checks": [check_of(one) for one in more if isinstance(one, Checked)],
        "annotations": [
            annotation
            for one in more
            if isinstance(one, Cited)
            for annotation in annotations_of(one, answering.grounding)
        ],
        "done": True,
        "done_reason": finish_reason(end.reason),
        "total_duration": int((time.monotonic() - began) * 1e9),
        "load_duration": 0,
        "prompt_eval_count": end.prompt_tokens,
        "prompt_eval_duration": int(end.timings.prompt_ms * 1e6),
        "eval_count": end.completion_tokens,
        "eval_duration": int(end.timings.predicted_ms * 1e6),
    }


def _listed(serving: Serving, name: str) -> dict[str, Any]:
    file = serving.file
    return {
        "name": name,
        "model": name,
        "modified_at": _time(serving.since),
        "size": file.bytes,
        "digest": serving.manifest.files.get(file.file, ""),
        "details": _details(serving),
    }


def _details(serving: Serving) -> dict[str, Any]:
    return {
        "parent_model": serving.manifest.base_model,
        "format": "gguf",
        "family": serving.manifest.base_model,
        "families": [serving.manifest.base_model],
        "parameter_size": "",
        "quantization_level": serving.file.quantisation,
    }


def _shown(serving: Serving) -> dict[str, Any]:
    manifest, sampling = serving.manifest, serving.settings.sampling
    parameters = {
        "num_ctx": serving.settings.context,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "repeat_penalty": sampling.repeat_penalty,
        "num_predict": sampling.max_tokens,
    }
    return {
        "license": "\n".join(f"{name}: {licence}" for name, licence in manifest.licences.items()),
        "modelfile": "",
        "parameters": "\n".join(f"{name} {value}" for name, value in parameters.items()),
        "template": manifest.template.source,
        "system": manifest.template.system_prompt,
        "details": _details(serving),
        "model_info": {"general.name": manifest.name, "general.context_length": serving.settings.context},
        "capabilities": ["completion"],
        "modified_at": _time(serving.since),
    }
