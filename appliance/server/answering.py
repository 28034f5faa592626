"""An answer on its way to one client: from the cache or from the engine, as events in this server's event loop.

A client that goes away cancels its request. Knows nothing about OpenAI's shapes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import TYPE_CHECKING

from fastapi import Request

from appliance.engine.answers import AnswerCache, StoredAnswer
from appliance.engine.request import Event, Failed, Finished, GenerationRequest, Piece

if TYPE_CHECKING:  # they import llama.cpp, which the server loads only after it listens
    from appliance.engine.expert import Expert
    from appliance.engine.slot import Ticket


class Answering:
    """One request, accepted; its events are to be read to the end, or it is to be closed."""

    def __init__(self, request: GenerationRequest, answers: AnswerCache | None) -> None:
        self._request = request
        self._answers = answers
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._ticket: Ticket | None = None
        self._watch: asyncio.Task[None] | None = None
        self.cached = False
        """Whether the answer comes from the cache."""

    @classmethod
    async def begin(cls, expert: Expert, request: GenerationRequest, client: Request, *, cache: bool) -> Answering:
        """Find the answer in the cache, or hand the request to the engine.

        Raises:
            EngineError: the engine refuses it.
        """
        # Scores are for evaluation, which is not to be answered from a cache.
        answers = expert.answers if cache and request.logprobs is None and not request.score_prompt else None
        answering = cls(request, answers)
        stored = await asyncio.to_thread(answers.get, request) if answers else None
        if stored is not None:
            answering.cached = True
            answering._events.put_nowait(Piece(stored.text))
            answering._events.put_nowait(stored.finished)
            return answering
        loop = asyncio.get_running_loop()

        def listen(event: Event) -> None:
            loop.call_soon_threadsafe(answering._events.put_nowait, event)

        answering._ticket = expert.engine.submit(request, listen)
        answering._watch = asyncio.create_task(_cancel_when_gone(client, answering._ticket))
        return answering

    async def events(self) -> AsyncGenerator[Event]:
        """The events, of which the last is `Finished`; the answer is in the cache before that one comes.

        Raises:
            EngineError: the engine failed, or the client went away.
        """
        text = []
        try:
            while True:
                event = await self._events.get()
                if isinstance(event, Failed):
                    raise event.error
                if isinstance(event, Piece):
                    text.append(event.text)
                if isinstance(event, Finished):
                    if self._answers is not None and not self.cached:
                        answer = StoredAnswer("".join(text), event)
                        await asyncio.to_thread(self._answers.put, self._request, answer)
                    yield event
                    return
                yield event
        finally:
            self.close()

    def close(self) -> None:
        """Cancel the request if it still runs."""
        if self._watch is not None:
            self._watch.cancel()
        if self._ticket is not None:
            self._ticket.cancel()


async def _cancel_when_gone(client: Request, ticket: Ticket) -> None:
    with suppress(asyncio.CancelledError):
        while (await client.receive())["type"] != "http.disconnect":
            pass
        ticket.cancel()
