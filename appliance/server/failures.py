"""Errors in OpenAI's shape: `{"error": {"message", "type", "param", "code"}}`; in Ollama's under `/api`: `{"error"}`.

Knows which of our errors has which status code; nothing about routes.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from appliance.engine.errors import (
    Cancelled,
    ContextExceeded,
    DeadlineExceeded,
    EngineError,
    EngineStopped,
    InvalidRequest,
    QueueFull,
)
from appliance.server.replies import event
from bundle.errors import TemplateError


class ApiError(HTTPException):
    """A refusal, with all that its reply says."""

    def __init__(
        self, status: int, message: str, code: str, *, param: str | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(status, message, {"Retry-After": str(retry_after)} if retry_after else None)
        self.code = code
        self.param = param


class Refusal(BaseModel):
    """What was wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorReply(BaseModel):
    """An error in OpenAI's shape."""

    error: Refusal


class BriefErrorReply(BaseModel):
    """An error in Ollama's shape."""

    error: str


def _described(shape: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    refused = "What was asked can't be done; a key is missing, or one asks too often."
    return {
        "4XX": {"model": shape, "description": refused},
        "5XX": {"model": shape, "description": "The server is full, loads, stops or has failed."},
    }


DESCRIBED, DESCRIBED_BRIEFLY = _described(ErrorReply), _described(BriefErrorReply)
"""The errors as /openapi.json has them, in both shapes."""


def as_api_error(error: EngineError | TemplateError) -> ApiError:
    """The reply to an error of the engine or of the prompt template."""
    status, code = next((reply for kind, reply in _REPLIES.items() if isinstance(error, kind)), (500, "engine_failed"))
    param = "messages" if isinstance(error, TemplateError) else None
    seconds = error.retry_after if isinstance(error, QueueFull) else 1
    return ApiError(status, str(error), code, param=param, retry_after=seconds if status == 503 else None)


_REPLIES: dict[type[Exception], tuple[int, str]] = {
    TemplateError: (400, "invalid_messages"),
    ContextExceeded: (400, "context_length_exceeded"),
    InvalidRequest: (400, "invalid_request"),
    QueueFull: (503, "queue_full"),
    DeadlineExceeded: (503, "deadline_exceeded"),
    EngineStopped: (503, "stopping"),
    Cancelled: (499, "cancelled"),  # which nobody reads
}
"""Status and code of each error; the more special one comes first."""


def error_body(message: str, status: int, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    """The body of an error reply."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def last_event(error: EngineError) -> bytes:
    """The event that ends a stream whose answer failed: there is no status code left to say it with."""
    refusal = as_api_error(error)
    return event(error_body(str(refusal.detail), refusal.status_code, refusal.code))


def install(app: FastAPI) -> None:
    """Make every error of an application one of ours."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(EngineError, _refused)
    app.add_exception_handler(TemplateError, _refused)
    app.add_exception_handler(Exception, _broken)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first: Mapping[str, Any] = error.errors()[0]
    where = ".".join(str(part) for part in takewhile(_names_a_field, first["loc"][1:]))
    said = str(first["msg"]).removeprefix("Value error, ")
    message = f"{where}: {said}" if where else said
    return reply(request.url.path, ApiError(400, message, "invalid_request", param=where or None))


def _names_a_field(part: object) -> bool:
    """Whether a part of an error's place is a field's name or an index, and not pydantic's name of a type."""
    return isinstance(part, int) or (str(part).isidentifier() and part not in ("str", "int"))


async def _refused(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, EngineError | TemplateError):
        error = as_api_error(error)
    assert isinstance(error, HTTPException)
    return reply(request.url.path, error)


async def _broken(request: Request, _error: Exception) -> JSONResponse:
    error = ApiError(500, "the server failed on this request; its log says why", "internal_error")
    return reply(request.url.path, error)


def reply(path: str, error: HTTPException) -> JSONResponse:
    """The reply to a request that is refused."""
    code = error.code if isinstance(error, ApiError) else None
    param = error.param if isinstance(error, ApiError) else None
    body = error_body(str(error.detail), error.status_code, code, param)
    if path.startswith("/api/"):
        body = {"error": str(error.detail)}
    return JSONResponse(body, error.status_code, headers=error.headers)
