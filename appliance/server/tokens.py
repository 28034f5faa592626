"""`/tokenize`, `/detokenize` and `/apply-template`, in llama.cpp's shapes: what a prompt becomes before it is answered.

Knows nothing about answers.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from appliance.server.schema import Messages, Text, Token
from appliance.server.serving import Serving


class TokenizeRequest(BaseModel):
    """Body of `/tokenize`."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    content: Text
    add_special: bool = False
    """Whether to add what the file says belongs around a sequence."""
    parse_special: bool = True
    """Whether texts such as `<|im_end|>` are the control tokens that they name."""
    with_pieces: bool = False
    """Whether each token comes with its text, or with its bytes where it is a part of a character."""


class DetokenizeRequest(BaseModel):
    """Body of `/detokenize`."""

    tokens: Annotated[list[Token], Field(max_length=1_000_000)]


class TemplateRequest(BaseModel):
    """Body of `/apply-template`."""

    messages: Messages


def router(serving: Serving) -> APIRouter:
    """The routes, for what is served."""
    routes = APIRouter()

    @routes.post("/tokenize")
    async def tokenize(body: TokenizeRequest) -> dict[str, Any]:
        expert = serving.ready()
        tokens = await asyncio.to_thread(
            expert.model.tokenize, body.content, add_special=body.add_special, parse_special=body.parse_special
        )
        if not body.with_pieces:
            return {"tokens": tokens}
        return {"tokens": [{"id": token, "piece": _piece(expert.piece(token))} for token in tokens]}

    @routes.post("/detokenize")
    async def detokenize(body: DetokenizeRequest) -> dict[str, str]:
        return {"content": await asyncio.to_thread(serving.ready().text, body.tokens)}

    @routes.post("/apply-template")
    async def apply_template(body: TemplateRequest) -> dict[str, str]:
        messages = [message.plain() for message in body.messages]
        return {"prompt": await asyncio.to_thread(serving.manifest.template.render, messages)}

    return routes


def _piece(data: bytes) -> str | list[int]:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return list(data)
