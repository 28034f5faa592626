"""What clients get: OpenAI's reply shapes, whole and in chunks. Knows nothing about HTTP or the engine's thread."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import asdict
from typing import Any

from appliance.engine.request import Finished

DONE = "data: [DONE]\n\n"
"""The event that ends a stream."""


def event(data: dict[str, Any]) -> str:
    """A server-sent event."""
    return f"data: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n"


def usage(*finished: Finished) -> dict[str, int]:
    """Token counts of one or more answers."""
    prompt = sum(answer.prompt_tokens for answer in finished)
    completion = sum(answer.completion_tokens for answer in finished)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def closing(finished: Finished, cached: bool) -> dict[str, Any]:
    """What the end of an answer tells beside its text."""
    return {"usage": usage(finished), "timings": asdict(finished.timings), "cached": cached}


class Reply:
    """The frame around one reply: what its parts have in common."""

    def __init__(self, prefix: str, kind: str, model: str) -> None:
        """`prefix` begins the id, e.g. `chatcmpl`; `kind` is the object's name, e.g. `chat.completion`."""
        self._frame = {
            "id": f"{prefix}-{uuid.uuid4().hex}",
            "object": kind,
            "created": int(time.time()),
            "model": model,
        }

    def whole(self, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        """The body of a reply, or of one chunk of it."""
        return {**self._frame, "choices": choices, **more}

    def ending(self, choice: dict[str, Any], end: dict[str, Any], *, usage_chunk: bool) -> str:
        """The last events of a stream; usage and timings come in a chunk of their own if the client wants it so."""
        if usage_chunk:
            return event(self.whole([choice])) + event(self.whole([], **end)) + DONE
        return event(self.whole([choice], **end)) + DONE


def chat_choice(text: str, reason: str) -> dict[str, Any]:
    """The choice of a whole chat reply."""
    return {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "logprobs": None,
        "finish_reason": reason,
    }


def chat_delta(delta: dict[str, str], reason: str | None = None) -> dict[str, Any]:
    """The choice of a chunk of a chat reply."""
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}


def text_choice(text: str, reason: str | None, logprobs: dict[str, Any] | None, index: int = 0) -> dict[str, Any]:
    """The choice of a completion, whole or a chunk."""
    return {"index": index, "text": text, "logprobs": logprobs, "finish_reason": reason}
