"""The answers to one client's request on their way: from the cache or from the engine, as events in the event loop.

A client that goes away cancels them. Knows nothing about the shapes of replies.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from fastapi import Request

from appliance.checking import Block, Check, Checked, Checker
from appliance.citing import Cited, cite
from appliance.engine.answers import AnswerCache, StoredAnswer
from appliance.engine.request import Event, Failed, Finished, GenerationRequest, Piece
from appliance.mending import Mender
from appliance.server.courier import Courier, Mailbox
from appliance.server.detours import Detours
from appliance.server.journal import record_of
from bundle.grounding import Grounding
from bundle.manifest import SYMBOLS

if TYPE_CHECKING:  # they import llama.cpp, which the server loads only after it listens
    from appliance.engine.expert import Expert
    from appliance.engine.slot import Ticket

Told = Event | Checked | Cited
"""What is told of an answer: the engine's events, what became of its code, and what of it is borne out."""
Batch = list[tuple[int, Told]]
"""What came together, each with the number of its answer."""


class Answering:
    """Accepted requests; their events are to be read to the end, or they are to be closed."""

    def __init__(self, expert: Expert, courier: Courier, told: dict[str, Any], *, cache: bool, repairs: bool) -> None:
        self._repairs = repairs
        self._how = f"repaired by {expert.manifest.files.get(SYMBOLS)}" if repairs else ""
        self._told = told
        self._expert = expert
        self._courier = courier
        self._answers: AnswerCache | None = expert.answers if cache else None
        self._mailbox = Mailbox()
        self._tickets: list[Ticket] = []
        self._watch: asyncio.Task[None] | None = None
        self._stored: dict[int, StoredAnswer] = {}
        self._texts: dict[int, list[str]] = {}
        self.requests: Sequence[GenerationRequest] = ()
        """What was asked of the engine, by number."""
        self.grounding = Grounding()
        """What of the documentation stood before the question."""
        self.begun = ""
        """What of the answers was there already: places count from its beginning, and its code is checked, too."""
        self.asked = ""
        """The last question."""
        self.check: Check | None = None
        """What the answers' code is held to; None where it isn't checked."""
        self._checkers: dict[int, Checker] = {}
        self._said: dict[int, list[str]] = {}
        self._opening = ""
        self.repaired = False
        """Whether code went on otherwise where it named what doesn't exist."""

    @classmethod
    async def begin(
        cls,
        expert: Expert,
        courier: Courier,
        client: Request,
        make: Callable[[], Sequence[GenerationRequest]],
        *,
        cache: bool,
        repairs: bool = False,
        opening: Callable[[], str] = str,
    ) -> Answering:
        """Find the answers in the cache, or hand the requests to the engine.

        `make` makes the requests; it is called on another thread, since a long prompt takes a while. What `opening`
        gives then is told as the beginning of each answer. `repairs` says whether the code of the one answer goes on
        otherwise where it names what doesn't exist.

        Raises:
            EngineError: the engine refuses one.
            BoffinError: whatever `make` raises.
        """
        answering = cls(expert, courier, record_of(client.scope), cache=cache, repairs=repairs)
        try:
            await asyncio.to_thread(answering._begin, make, opening)
        except BaseException:
            answering.close()
            raise
        if answering._tickets:
            answering._watch = asyncio.create_task(_close_when_gone(client, answering))
        for number, stored in answering._stored.items():
            answering._mailbox.put(number, Piece(answering._opening + stored.text))
            answering._mailbox.put(number, stored.finished)
            answering.repaired = stored.repaired
        return answering

    @property
    def cached(self) -> bool:
        """Whether every answer comes from the cache."""
        return len(self._stored) == len(self.requests)

    async def batches(self) -> AsyncGenerator[Batch]:
        """The events, as they come; of each answer the last is `Finished`, and then it is in the cache already.

        A code block that closes is followed by what became of it; before the end of an answer for which documentation
        was read comes what of it is cited.

        Raises:
            EngineError: the engine failed, or the client went away.
        """
        running = len(self.requests)
        mender, take = None, self._mailbox.take
        if self._repairs and self._tickets and self.check is not None:
            symbols = [source.passage.symbol for source in self.grounding.sources]
            mender = Mender(self.check, self.begun, " ".join([self.asked, *symbols]))
            given = len(self.begun) + len(self._opening)
            take = Detours(self._expert, self._courier, self._mailbox, self._tickets, mender, given).take
        try:
            while running:
                batch: Batch = []
                for number, event in await take():
                    if isinstance(event, Failed):
                        raise event.error
                    if isinstance(event, Finished):
                        running -= 1
                        self.repaired = self.repaired or (mender is not None and mender.mended)
                        self._record(event)
                        await self._keep(number, event)
                    elif isinstance(event, Piece) and self._answers is not None:
                        self._texts.setdefault(number, []).append(event.text)
                    if self.check is None and not self.grounding.sources:
                        batch.append((number, event))
                        continue
                    told: list[Told] = [*await self._checked(number, event), *self._cited(number, event)]
                    told = [*told, event] if isinstance(event, Finished) else [event, *told]
                    batch += [(number, one) for one in told]
                yield batch
        finally:
            self.close()

    async def ends(self, take: Callable[[int, Told], None]) -> list[Finished]:
        """Hand every event to `take` as it comes; returns the end of each answer, by number.

        Raises:
            EngineError: as `batches`.
        """
        ends: dict[int, Finished] = {}
        async with aclosing(self.batches()) as batches:
            async for batch in batches:
                for number, event in batch:
                    take(number, event)
                    if isinstance(event, Finished):
                        ends[number] = event
        return [ends[number] for number in range(len(self.requests))]

    async def _checked(self, number: int, event: Event) -> list[Checked]:
        """What becomes of the code blocks that an event closes."""
        if self.check is None:
            return []
        blocks: list[Block] = []
        if number not in self._checkers:
            self._checkers[number] = Checker(self.check)
            blocks = self._checkers[number].feed(self.begun)
        checker = self._checkers[number]
        if isinstance(event, Piece):
            blocks += checker.feed(event.text)
        elif isinstance(event, Finished):
            blocks += checker.end()
        return await asyncio.to_thread(lambda: [checker.check(block) for block in blocks]) if blocks else []

    def _cited(self, number: int, event: Event) -> list[Cited]:
        """What is cited of an answer that has ended."""
        if not self.grounding.sources:
            return []
        said = self._said.setdefault(number, [self.begun])
        if isinstance(event, Piece):
            said.append(event.text)
        return [Cited(cite("".join(said), self.grounding.sources))] if isinstance(event, Finished) else []

    def close(self) -> None:
        """Cancel what still runs."""
        if self._watch is not None:
            self._watch.cancel()
        for ticket in self._tickets:
            ticket.cancel()

    def _begin(self, make: Callable[[], Sequence[GenerationRequest]], opening: Callable[[], str]) -> None:
        self.requests = make()
        self._opening = opening()
        # Scores are for evaluation, which is not to be answered from a cache.
        if any(request.logprobs is not None or request.score_prompt for request in self.requests):
            self._answers = None
        # Equal requests are to give different answers, which one stored answer can't.
        if len(set(self.requests)) < len(self.requests):
            self._answers = None
        for number, request in enumerate(self.requests):
            stored = self._answers.get(request, self._how) if self._answers is not None else None
            if stored is not None:
                self._stored[number] = stored
                continue
            listener = partial(self._courier.put, self._mailbox, number)
            if self._opening:
                listener(Piece(self._opening))
            self._tickets.append(self._expert.engine.submit(request, listener))

    def _record(self, end: Finished) -> None:
        """Note for the log what an answer took."""
        for name in ("prompt_tokens", "completion_tokens"):
            self._told[name] = self._told.get(name, 0) + getattr(end, name)
        self._told["cached"] = self.cached

    async def _keep(self, number: int, finished: Finished) -> None:
        if self._answers is not None and number not in self._stored:
            said = "".join(self._texts.pop(number, []))
            answer = StoredAnswer(said.removeprefix(self._opening), finished, self.repaired)
            await asyncio.to_thread(self._answers.put, self.requests[number], answer, self._how)


async def _close_when_gone(client: Request, answering: Answering) -> None:
    with suppress(asyncio.CancelledError):
        while (await client.receive())["type"] != "http.disconnect":
            pass
        answering.close()
