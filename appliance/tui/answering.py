"""One answer on its way from the server into the store and onto the screen.

Knows nothing about keys, or about what the screen shows beside the answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass

from appliance.client import AsyncClient, CodeCheck, ContextExceeded, Delta, Done
from appliance.conversations import Figures, Message, Thread
from appliance.conversations.draft import Draft
from appliance.conversations.evidence import Evidence
from appliance.conversations.message import State
from appliance.reply import asked, figures, shorter
from appliance.sanitise import Sanitiser
from appliance.tui.answer import Answer
from bundle.errors import ServerError

MAX_ANSWER = 200_000
"""Characters after which an answer is stopped: far more than any context holds."""


@dataclass(frozen=True)
class Outcome:
    """How an answer ended."""

    message: Message
    error: str
    """What the server said when it failed; empty where it didn't."""


class Answering:
    """An answer that is under way."""

    def __init__(self, client: AsyncClient, thread: Thread, draft: Draft, model: str, *, anew: bool = False) -> None:
        """`anew` passes the server's cache by."""
        self.thread = thread
        self.draft = draft
        self.begun = len(draft.text)
        """Characters that were there already, of an answer that is gone on with."""
        self.words = False
        """Whether anything has come."""
        self._client = client
        self._options = asked(thread.options, model, draft, anew=anew)
        self._begun: Callable[[], None] = lambda: None
        self._reading: asyncio.Task[Done | None] | None = None
        self._stopped = False
        self._first_token = 0.0
        self._left_out = 0
        self._came = 0

    def stop(self) -> None:
        """Stop it; what came stays."""
        self._stopped = True
        if self._reading is not None:
            self._reading.cancel()

    async def run(self, answer: Answer, begun: Callable[[], None]) -> Outcome:
        """Read the answer to its end, however it ends; `begun` is called at its first word.

        Raises:
            ConversationError: it can't be stored.
        """
        self._begun = begun
        # A task of its own: a stop can only ever interrupt the reading, never the drawing that follows.
        self._reading = asyncio.create_task(self._read(answer))
        if self._stopped:
            self._reading.cancel()
        state: State = "whole"
        took, evidence, error = Figures(), Evidence(), ""
        try:
            done = await self._reading
            if done is None or done.finish_reason == "length":
                state = "cut"
            took = Figures(first_token=self._first_token) if done is None else figures(done, self._first_token)
            if done is not None:
                evidence = Evidence.of(done, in_place=self.begun + self._came == len(self.draft.text))
        except ServerError as problem:
            state, error = "failed", str(problem)
        except asyncio.CancelledError:
            state = "stopped"
            if not self._stopped:
                self.thread.end(self.draft, state)
                raise
        message = self.thread.end(self.draft, state, took, evidence)
        left_out = self._left_out
        note = f"without the first {left_out} {'question' if left_out == 1 else 'questions'}: the context is full"
        await answer.finish(message, note if left_out else "")
        answer.show(message, self.thread.branches(message))
        return Outcome(message, error)

    async def _read(self, answer: Answer) -> Done | None:
        """Read the stream to its end; None: the answer was longer than any context."""
        while True:
            try:
                return await self._attempt(answer)
            except ContextExceeded:
                left_out = shorter(self.thread, self.draft, self._left_out)
                if left_out is None:
                    raise
                self._left_out = left_out

    async def _attempt(self, answer: Answer) -> Done | None:
        fit = Sanitiser()
        fit.feed(self.draft.text)
        self._came = 0
        began = time.monotonic()
        messages = self.thread.sent(self.draft, self._left_out)
        async with aclosing(self._client.chat(messages, **self._options)) as events:
            async for event in events:
                match event:
                    case Delta(text):
                        if not self.words:
                            self.words, self._first_token = True, time.monotonic() - began
                            self._begun()
                        self._came += len(text)
                        text = fit.feed(text)
                        self.draft.feed(text)
                        await answer.feed(text)
                    case CodeCheck():
                        answer.add_check(event)
                    case Done():
                        return event
                if len(self.draft.text) > MAX_ANSWER:
                    return None
        return None
