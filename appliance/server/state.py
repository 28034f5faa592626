"""What the server says of itself: `/health`, `/v1/models`, `/props`, `/metrics`.

None of them waits for the engine. Knows nothing about answers.
"""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from appliance.server.metrics import CONTENT_TYPE, exposition
from appliance.server.serving import Serving


def router(serving: Serving) -> APIRouter:
    """The routes, for what is served."""
    routes = APIRouter()

    def model(name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": serving.since, "owned_by": "boffin"}

    @routes.get("/health")
    async def health(client: Request) -> JSONResponse:
        state = _health(serving)
        code = 200 if state["status"] == "ok" else 503
        if serving.settings.access.keys and not hasattr(client.state, "key"):
            state = {"status": state["status"]}
        return JSONResponse(state, code)

    @routes.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [model(name) for name in serving.names]}

    @routes.get("/v1/models/{name}")
    async def one_model(name: str) -> dict[str, Any]:
        serving.adapter(name)
        return model(name)

    @routes.get("/props")
    async def props() -> dict[str, Any]:
        return _props(serving)

    @routes.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        expert = serving.ready()
        named = {"answers": expert.answers, "prefixes": expert.prefixes}
        # They look at their databases, which another process may be writing.
        caches = {name: await asyncio.to_thread(cache.stats) for name, cache in named.items() if cache is not None}
        page = exposition(expert.engine.stats(), serving.http, caches, serving.since)
        return Response(page, headers={"Content-Type": CONTENT_TYPE})

    return routes


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


def _props(serving: Serving) -> dict[str, Any]:
    """What is served and how, under llama.cpp's names where it has some."""
    manifest, settings = serving.manifest, serving.settings
    return {
        "model_alias": manifest.name,
        "model_path": serving.file.file,
        "build_info": f"llama-cpp-python {manifest.llama_cpp}",
        "chat_template": manifest.template.source,
        "bos_token": manifest.template.bos_token,
        "eos_token": manifest.template.eos_token,
        "system_prompt": manifest.template.system_prompt,
        "total_slots": settings.slots,
        "default_generation_settings": {"n_ctx": settings.context, "params": settings.sampling.model_dump()},
        "modalities": {"vision": False, "audio": False},
        "quantisation": serving.file.quantisation,
        "base_model": manifest.base_model,
        "bundle": manifest.digest,
        "models": serving.names,
    }
