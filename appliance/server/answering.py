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
from appliance.server.courier import Courier, Mailbox
from appliance.server.journal import record_of
from bundle.grounding import Grounding
from bundle.template import Message

if TYPE_CHECKING:  # they import llama.cpp, which the server loads only after it listens
    from appliance.engine.expert import Expert
    from appliance.engine.slot import Ticket
    from appliance.repair import Repair

Told = Event | Checked | Cited
"""What is told of an answer: the engine's events, what became of its code, and what of it is borne out."""
Batch = list[tuple[int, Told]]
"""What came together, each with the number of its answer."""


class Answering:
    """Accepted requests; their events are to be read to the end, or they are to be closed."""

    def __init__(self, expert: Expert, courier: Courier, told: dict[str, Any], *, cache: bool, repairs: bool) -> None:
        self._repairs = repairs
        self._how = expert.repaired_by if repairs else ""
        self._told = told
        self._expert = expert
        self._courier = courier
        self._answers: AnswerCache | None = expert.answers if cache else None
        self._mailbox = Mailbox()
        self._tickets: list[Ticket] = []
        self._closed = False
        self._watch: asyncio.Task[None] | None = None
        self._stored: dict[int, StoredAnswer] = {}
        self._texts: dict[int, list[str]] = {}
        self.requests: Sequence[GenerationRequest] = ()
        """What was asked of the engine, by number."""
        self.grounding = Grounding()
        """What of the documentation stood before the question."""
        self.begun = ""
        """What of the answers was there already: places count from its beginning, and its code is checked, too."""
        self.talk: Sequence[Message] = ()
        """What was said before."""
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
        repair = self._repair()
        try:
            while running:
                batch: Batch = []
                for number, event in await (self._taken(repair) if repair else self._mailbox.take()):
                    if isinstance(event, Failed):
                        raise event.error
                    if isinstance(event, Finished):
                        running -= 1
                        self.repaired = self.repaired or (repair is not None and repair.repaired)
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

    def _repair(self) -> Repair | None:
        """What follows the answer where its code is mended; nothing does where it comes from the cache."""
        if not self._repairs or self.check is None or not self._tickets:
            return None
        # With the first code, as what checks it.
        from appliance.mending import Mender, named
        from appliance.repair import Repair

        mender = Mender(self.check, self.begun, named(self.talk, self.grounding))
        return Repair(self.requests[0], mender, self._expert.begun, len(self.begun) + len(self._opening))

    async def _taken(self, repair: Repair) -> Sequence[tuple[int, Event]]:
        """What is told next of an answer that takes as many requests as it has tickets."""
        told: list[tuple[int, Event]] = []
        while not told:
            for number, event in await self._mailbox.take():
                if number == 0 and isinstance(event, Finished):
                    repair.heard(event)
                if number < len(self._tickets) - 1:  # another has taken its place
                    continue
                follow = partial(repair.follow, event)
                quick = isinstance(event, Piece) and "\n" not in event.text
                events, request = follow() if quick else await asyncio.to_thread(follow)
                if request is not None:
                    await asyncio.to_thread(self._submit, request, instead_of=self._tickets[-1])
                told += [(0, one) for one in events]
        return told

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
        self._closed = True
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
            if self._opening:
                self._courier.put(self._mailbox, number, Piece(self._opening))
            self._submit(request, number)

    def _submit(self, request: GenerationRequest, number: int | None = None, instead_of: Ticket | None = None) -> None:
        """Hand a request to the engine, under its answer's number or that of its ticket."""
        listener = partial(self._courier.put, self._mailbox, len(self._tickets) if number is None else number)
        self._tickets.append(self._expert.engine.submit(request, listener, instead_of=instead_of))
        if self._closed:  # meanwhile
            self._tickets[-1].cancel()

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
