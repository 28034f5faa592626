"""What clients get: OpenAI's reply shapes, whole and in chunks. Knows nothing about HTTP or the engine's thread."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from appliance.engine.request import Finished, FinishReason

DONE = b"data: [DONE]\n\n"
"""The event that ends a stream."""


def as_json(value: Any) -> bytes:
    """A value's JSON, without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def event(data: dict[str, Any], name: str = "") -> bytes:
    """A server-sent event."""
    head = f"event: {name}\n".encode() if name else b""
    return b"%bdata: %b\n\n" % (head, as_json(data))


def finish_reason(reason: FinishReason) -> str:
    """OpenAI's word for why an answer ended; it has none for a deadline, which cuts an answer off as `length` does."""
    return "stop" if reason == "stop" else "length"


def usage(ends: Sequence[Finished], choices: int = 1) -> dict[str, int]:
    """Token counts of answers, of which each `choices` had one prompt."""
    prompt = sum(end.prompt_tokens for end in ends[::choices])
    completion = sum(end.completion_tokens for end in ends)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def closing(ends: Sequence[Finished], cached: bool, choices: int = 1) -> dict[str, Any]:
    """What the end of a reply tells beside its texts; the timings are those of the first answer."""
    return {"usage": usage(ends, choices), "timings": asdict(ends[0].timings), "cached": cached}


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
        self._head = as_json(self._frame)[:-1]

    def whole(self, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        """The body of a reply, or of one chunk of it."""
        return {**self._frame, "choices": choices, **more}

    def chunk(self, choice: dict[str, Any]) -> bytes:
        """One chunk of a stream."""
        return event(self.whole([choice]))

    def piece(self, before: bytes, text: str, after: bytes) -> bytes:
        """A chunk whose choice is made of JSON that stands ready before and after its text."""
        return b'data: %b,"choices":[{%b%b%b}]}\n\n' % (self._head, before, as_json(text), after)

    def ending(self, choices: list[dict[str, Any]], end: dict[str, Any], *, usage_chunk: bool) -> bytes:
        """The last events of a stream; usage and timings come in a chunk of their own if the client wants it so."""
        if usage_chunk:
            return event(self.whole(choices)) + event(self.whole([], **end)) + DONE
        return event(self.whole(choices, **end)) + DONE


def chat_choice(number: int, text: str, reason: FinishReason, logprobs: Any = None) -> dict[str, Any]:
    """The choice of a whole chat reply."""
    return {
        "index": number,
        "message": {"role": "assistant", "content": text},
        "logprobs": logprobs,
        "finish_reason": finish_reason(reason),
    }


def chat_delta(number: int, delta: dict[str, Any], logprobs: Any = None, reason: str | None = None) -> dict[str, Any]:
    """The choice of a chunk of a chat reply."""
    return {"index": number, "delta": delta, "logprobs": logprobs, "finish_reason": reason}


def text_choice(number: int, text: str, reason: str | None, logprobs: Any = None) -> dict[str, Any]:
    """The choice of a completion, whole or a chunk."""
    return {"index": number, "text": text, "logprobs": logprobs, "finish_reason": reason}
