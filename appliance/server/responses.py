"""`/v1/responses` for text: a response object, whole or as the events that make it.

Nothing is kept, so a later request can't refer to it. Knows OpenAI's protocol; nothing about the engine's thread.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from appliance.checking import Checked
from appliance.citing import Cited
from appliance.engine.errors import EngineError
from appliance.engine.request import Finished, Piece
from appliance.server import failures, replies
from appliance.server.answering import Answering, Told
from appliance.server.responses_schema import ResponsesRequest
from appliance.server.serving import Serving
from appliance.server.sources import annotations_of, check_of, read_by
from appliance.server.stream import Stream, described


def router(serving: Serving) -> APIRouter:
    """The route, for what is served."""
    routes = APIRouter()

    @routes.post("/v1/responses", responses=described())
    async def responses(body: ResponsesRequest, client: Request) -> Response:
        answering = await serving.chat(
            client,
            body.messages(),
            grounding=body.grounding,
            check=body.check,
            model=body.model,
            cache=body.cache,
            **body.sampling(),
            deadline=body.deadline,
            max_tokens=body.max_output_tokens,
            json_schema=body.json_schema(),
        )
        growing = _Growing(body, body.model or serving.manifest.name, answering)
        if body.stream:
            return Stream(_events(answering, growing))
        (end,) = await answering.ends(lambda _number, event: growing.add(event))
        return JSONResponse(growing.response(end))

    return routes


class _Growing:
    """A response in the making."""

    def __init__(self, body: ResponsesRequest, model: str, answering: Answering) -> None:
        self._text = ""
        self._checks: list[dict[str, Any]] = []
        self._answering = answering
        self._annotations: list[dict[str, Any]] = []
        self._item = f"msg_{uuid.uuid4().hex}"
        self._events = 0
        self._place = {"item_id": self._item, "output_index": 0, "content_index": 0}
        self._frame: dict[str, Any] = {
            "id": f"resp_{uuid.uuid4().hex}",
            "object": "response",
            "created_at": int(time.time()),
            "model": model,
            "instructions": body.instructions,
            "metadata": body.metadata or {},
            "temperature": body.temperature,
            "top_p": body.top_p,
            "max_output_tokens": body.max_output_tokens,
            "text": {"format": {"type": "text"}}
            if body.json_schema() is None
            else body.model_dump(by_alias=True)["text"],
            "tools": [],
            "tool_choice": "auto",
            "parallel_tool_calls": False,
            "previous_response_id": None,
            "store": False,
            **read_by(answering),
        }

    def add(self, event: Told) -> None:
        """Take an event in."""
        if isinstance(event, Piece):
            self._text += event.text
        elif isinstance(event, Checked):
            self._checks.append(check_of(event))
        elif isinstance(event, Cited):
            self._annotations = annotations_of(event, self._answering.grounding)

    def response(self, end: Finished | None = None, error: dict[str, str] | None = None) -> dict[str, Any]:
        """The response as it is, in progress until it has an end or an error."""
        whole = end is not None and end.reason == "stop"
        status = "failed" if error else "in_progress" if end is None else "completed" if whole else "incomplete"
        usage = None
        if end is not None:
            usage = {
                "input_tokens": end.prompt_tokens,
                "input_tokens_details": {"cached_tokens": end.timings.cache_n},
                "output_tokens": end.completion_tokens,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": end.prompt_tokens + end.completion_tokens,
            }
        return {
            **self._frame,
            "status": status,
            "error": error,
            "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
            "checks": self._checks,
            "repaired": self._answering.repaired,
            "output": [] if end is None else [self._message(status)],
            "usage": usage,
        }

    def beginning(self) -> bytes:
        """The events before the text."""
        return b"".join(
            (
                self._event("response.created", response=self.response()),
                self._event("response.in_progress", response=self.response()),
                self._event("response.output_item.added", output_index=0, item=self._message("in_progress", [])),
                self._event("response.content_part.added", **self._place, part=_part("")),
            )
        )

    def delta(self, text: str) -> bytes:
        """The event of a piece of the text."""
        return self._event("response.output_text.delta", **self._place, delta=text, logprobs=[])

    def ending(self, end: Finished) -> bytes:
        """The events after the text."""
        response = self.response(end)
        return b"".join(
            (
                self._event("response.output_text.done", **self._place, text=self._text, logprobs=[]),
                self._event("response.content_part.done", **self._place, part=self._part()),
                self._event("response.output_item.done", output_index=0, item=response["output"][0]),
                self._event(f"response.{response['status']}", response=response),
            )
        )

    def failure(self, error: EngineError) -> bytes:
        """The event that ends a response that failed."""
        refusal = failures.as_api_error(error)
        told = {"code": "server_error", "message": str(refusal.detail)}
        return self._event("response.failed", response=self.response(error=told))

    def _message(self, status: str, content: list[dict[str, Any]] | None = None) -> dict[str, Any]:
        content = [self._part()] if content is None else content
        return {"id": self._item, "type": "message", "role": "assistant", "status": status, "content": content}

    def _part(self) -> dict[str, Any]:
        return {**_part(self._text), "annotations": self._annotations}

    def _event(self, name: str, **data: Any) -> bytes:
        number, self._events = self._events, self._events + 1
        return replies.event({"type": name, "sequence_number": number, **data}, name)


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


async def _events(answering: Answering, growing: _Growing) -> AsyncGenerator[bytes]:
    yield growing.beginning()
    try:
        async with aclosing(answering.batches()) as batches:
            async for batch in batches:
                parts = []
                for _, event in batch:
                    growing.add(event)
                    if isinstance(event, Piece) and event.text:
                        parts.append(growing.delta(event.text))
                    elif isinstance(event, Finished):
                        parts.append(growing.ending(event))
                if parts:
                    yield b"".join(parts)
    except EngineError as error:
        yield growing.failure(error)
