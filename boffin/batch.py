"""`boffin batch`: answers a file of questions through a server, many at once, and goes on where it was stopped.

Answers are appended as they come, in any order, each with the number of its question's line. Knows the server's HTTP
interface, and nothing about the engine.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import httpx
import typer

from boffin.served import endpoint, find_served, key
from bundle.digests import digest_value
from bundle.errors import DatasetError, ServerError

TRIES = 5
"""How often a question is asked that the server can't take now."""
TIMEOUT = 3600.0
"""Seconds to wait for an answer."""


@dataclass(frozen=True)
class Question:
    """A line of the file of questions."""

    line: int
    """Its number, from 1."""
    body: dict[str, Any]
    """The request's body."""
    name: Any = None
    """Its own `id`, given back with the answer."""

    @property
    def digest(self) -> str:
        """Stands for what is asked; a question that was changed is asked again."""
        return digest_value(self.body)

    @property
    def path(self) -> str:
        """The route that answers it."""
        return "/v1/completions" if "prompt" in self.body else "/v1/chat/completions"


def run_batch(
    questions: Path, out: Path, folder: Path, assignments: Sequence[str], bundle: Path | None, url: str, at_once: int
) -> None:
    """Answer every question that has no answer in `out` yet.

    Raises:
        DatasetError: a line of a file can't be read.
        ServerError: no server answers, or it refuses a question.
    """
    asked = list(read_questions(questions))
    done = _answered(out)
    left = [question for question in asked if (question.line, question.digest) not in done]
    if len(left) < len(asked):
        typer.echo(f"{len(asked) - len(left)} of {len(asked)} are answered already.", err=True)
    if not left:
        return
    served = find_served(folder, assignments, bundle, url)
    with endpoint(served, url) as address, out.open("a", encoding="utf-8") as file:
        failed = asyncio.run(_Batch(address, key(url), file, len(left)).run(left, at_once))
    if failed:
        raise ServerError(
            f"{failed} of {len(left)} got no answer; {out} says why, and the same command asks them again"
        )


def read_questions(path: Path) -> Iterator[Question]:
    """The questions in a file: a line is a text in JSON, or an object with `question`, `messages` or `prompt`; what
    else such an object has is the request's, such as `max_tokens`, but for its `id`.

    Raises:
        DatasetError: the file or a line of it can't be read.
    """
    for number, value in _lines(path):
        body = {"question": value} if isinstance(value, str) else value
        if not isinstance(body, dict) or len({"question", "messages", "prompt"} & body.keys()) != 1:
            raise DatasetError(f"{path}:{number}: not a question; write one of `question`, `messages` or `prompt`")
        body = dict(body)
        name = body.pop("id", None)
        if "question" in body:
            body["messages"] = [{"role": "user", "content": body.pop("question")}]
        yield Question(number, {**body, "stream": False}, name)


def _lines(path: Path) -> Iterator[tuple[int, Any]]:
    """The values in a file of JSON lines, with their lines' numbers."""
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, json.loads(line)
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: can't be read ({error})") from None
    except json.JSONDecodeError as error:
        raise DatasetError(f"{path}:{number}: not JSON ({error.msg})") from None


def _answered(out: Path) -> set[tuple[int, str]]:
    """The lines that have an answer, with what was asked; a last line that was cut off is taken away."""
    if not out.exists():
        return set()
    data = out.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        with out.open("r+b") as file:
            file.truncate(whole)
    return {(answer["line"], answer["asked"]) for _, answer in _lines(out) if "error" not in answer}


class _Batch:
    """A run over the questions that are left."""

    def __init__(self, endpoint: str, key: str, out: TextIO, total: int) -> None:
        self._endpoint = endpoint
        self._key = key
        self._out = out
        self._total = total
        self._done = self._failed = self._tokens = 0
        self._began = self._shown = time.monotonic()

    async def run(self, questions: Sequence[Question], at_once: int) -> int:
        """Ask them all, `at_once` at a time; returns how many got no answer."""
        from appliance.client import AsyncClient, authorization

        async with AsyncClient(self._endpoint) as client:
            slots = (await client.health()).slots or 4
        waiting = iter(questions)
        # One more than there are slots, so that a prompt is there when an answer ends.
        workers = min(at_once or slots + 1, len(questions))
        async with httpx.AsyncClient(
            base_url=self._endpoint, timeout=TIMEOUT, headers=authorization(self._key), trust_env=False
        ) as http:
            await asyncio.gather(*(self._work(http, waiting) for _ in range(workers)))
        self._show(last=True)
        return self._failed

    async def _work(self, http: httpx.AsyncClient, questions: Iterator[Question]) -> None:
        for question in questions:
            answer = await self._ask(http, question)
            self._done += 1
            self._failed += "error" in answer
            self._tokens += answer.get("usage", {}).get("completion_tokens", 0)
            line = {"line": question.line, "asked": question.digest, **answer}
            if question.name is not None:
                line["id"] = question.name
            self._out.write(json.dumps(line, ensure_ascii=False) + "\n")
            self._out.flush()
            self._show()

    async def _ask(self, http: httpx.AsyncClient, question: Question) -> dict[str, Any]:
        """The answer to a question, or the error."""
        for _ in range(TRIES):
            try:
                response = await http.post(question.path, json=question.body)
            except httpx.HTTPError as error:
                raise ServerError(f"{self._endpoint}: the connection broke ({error}); run it again to go on") from None
            if response.status_code not in (429, 503):
                break
            await asyncio.sleep(float(response.headers.get("Retry-After", 1)))
        reply = response.json()
        if response.is_error:
            return {"error": reply["error"]["message"]}
        choices = [
            {"answer": choice["message"]["content"] if "message" in choice else choice["text"], **_more(choice)}
            for choice in reply["choices"]
        ]
        several = {"choices": choices} if len(choices) > 1 else choices[0]
        return {**several, "usage": reply["usage"], "cached": reply["cached"]}

    def _show(self, *, last: bool = False) -> None:
        """Tell how far it is: in place on a terminal, a line every half minute elsewhere."""
        now, terminal = time.monotonic(), sys.stderr.isatty()
        if not last and now - self._shown < (0.2 if terminal else 30):
            return
        self._shown = now
        seconds = max(now - self._began, 1e-9)
        left = (self._total - self._done) * seconds / max(self._done, 1)
        text = f"{self._done} of {self._total} answered, {self._tokens / seconds:.1f} tokens/s, {left:.0f} s left"
        typer.echo(f"\r{text:70}" if terminal else text, nl=last or not terminal, err=True)


def _more(choice: dict[str, Any]) -> dict[str, Any]:
    scores = {"logprobs": choice["logprobs"]} if choice.get("logprobs") else {}
    return {"finish_reason": choice["finish_reason"], **scores}
