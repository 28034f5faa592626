"""The engine: one thread that owns llama.cpp's context and answers many requests at once.

Continuous batching: every step computes one token of each running answer, together with a bounded chunk of the prompts
that wait, so that a long prompt never stalls the others for long. The memory for every slot's worst case is set aside
at the start, so that no answer is ever cut short by another. Knows nothing about HTTP, text or templates.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from appliance.engine.context import BATCH, Context
from appliance.engine.errors import (
    Cancelled,
    ContextExceeded,
    EngineError,
    EngineFailed,
    EngineStopped,
    InvalidRequest,
    QueueFull,
)
from appliance.engine.model import Model
from appliance.engine.request import Event, Failed, Finished, GenerationRequest, PromptScored, TokenScore
from appliance.engine.sampler import Sampler
from appliance.engine.scores import score
from appliance.engine.slot import Answer, Slot, Ticket

log = logging.getLogger(__name__)

CHUNK_BESIDE_ANSWERS = 128
"""Most prompt tokens in a step in which answers are running; it bounds the pause that a new prompt makes in them."""
SCORED_PER_STEP = 128
"""Most prompt tokens a step whose log-probabilities are wanted: each needs a whole row of logits."""


@dataclass(frozen=True)
class Load:
    """How busy the engine is."""

    slots: int
    busy: int
    waiting: int
    queue: int
    """Most requests that may wait."""
    failed: bool
    """Whether the engine's thread has died."""


@dataclass(frozen=True)
class _Part:
    """What a step computes for one slot: `count` tokens whose first is at `index` of the batch."""

    slot: Slot
    answer: Answer
    index: int
    count: int


class Engine:
    """Answers requests until it is closed."""

    def __init__(
        self, model: Model, *, slots: int, context: int, queue_limit: int, threads: int, offload: bool = False
    ) -> None:
        """Set aside memory for `slots` answers of up to `context` tokens each, prompt included, and start the thread.

        Raises:
            ServerError: the memory isn't there.
        """
        self._model = model
        self._length = context
        self._context = Context(
            model,
            sequences=slots,
            length=context,
            outputs=SCORED_PER_STEP + slots,
            threads=threads,
            offload=offload,
        )
        self._slots = [Slot(number) for number in range(slots)]
        self._waiting: deque[Ticket] = deque()
        self._queue_limit = queue_limit
        self._wake = threading.Condition()
        self._stopping = self._abandoning = self._failed = False
        self._seconds_per_request = 1.0
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def submit(self, request: GenerationRequest, listener: Callable[[Event], None]) -> Ticket:
        """Queue a request; `listener` gets its events on the engine's thread, so it must be quick.

        Raises:
            InvalidRequest: the prompt is empty, doesn't fit, or isn't made of the model's tokens; or a sampling setting
                means nothing.
            QueueFull: too many requests wait.
            EngineStopped: the engine takes no more requests.
        """
        if not request.tokens:
            raise InvalidRequest("the prompt has no tokens; write something")
        if len(request.tokens) >= self._length:
            raise ContextExceeded(len(request.tokens), self._length)
        if not all(0 <= token < self._model.n_vocab for token in request.tokens):
            raise InvalidRequest(f"the prompt has a token that isn't one of the model's {self._model.n_vocab}")
        sampler = Sampler(request.sampling, self._model, request.tokens)
        ticket = Ticket(request, sampler, listener, self._notify)
        with self._wake:
            if self._stopping:
                raise self._stopped()
            free = sum(slot.answer is None for slot in self._slots)
            if len(self._waiting) >= self._queue_limit + free:
                raise QueueFull(len(self._waiting), self._retry_after())
            self._waiting.append(ticket)
            self._wake.notify()
        return ticket

    def generate(self, request: GenerationRequest) -> Iterator[Event]:
        """Submit a request and yield its events; closing the iterator cancels it.

        Raises:
            EngineError: as `submit`; a failure on the way is the last event.
        """
        events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        ticket = self.submit(request, events.put)
        try:
            while True:
                event = events.get()
                yield event
                if isinstance(event, Finished | Failed):
                    return
        finally:
            ticket.cancel()

    def load(self) -> Load:
        """How busy the engine is now; never waits for a step."""
        with self._wake:
            busy = sum(slot.answer is not None for slot in self._slots)
            return Load(len(self._slots), busy, len(self._waiting), self._queue_limit, self._failed)

    def close(self, drain: float = 0.0) -> None:
        """Take no more requests, give those that are here `drain` seconds to finish, cancel the rest, free all."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join(drain)
        with self._wake:
            self._abandoning = True
            self._wake.notify()
        self._thread.join()

    def _notify(self) -> None:
        with self._wake:
            self._wake.notify()

    def _retry_after(self) -> int:
        """Seconds until the queue has moved on by one slot's worth, from how long requests took lately."""
        return max(1, min(60, round(self._seconds_per_request * len(self._waiting) / len(self._slots))))

    def _run(self) -> None:
        try:
            while self._wait_for_work():
                try:
                    self._step()
                except Exception as error:
                    log.exception("a step of the engine failed")
                    reason = str(error) if isinstance(error, EngineError) else type(error).__name__
                    self._abandon(EngineFailed(f"the engine failed on this request ({reason}); try again"))
                    self._context.clear()
        except BaseException:
            log.exception("the engine has failed")
            self._failed = True
        finally:
            with self._wake:
                self._stopping = True
                waiting, self._waiting = list(self._waiting), deque()
            stopped = self._stopped()
            for ticket in waiting:
                ticket.emit(Failed(stopped))
            self._abandon(stopped)
            self._context.close()

    def _stopped(self) -> EngineStopped:
        return EngineStopped(
            "the engine has failed; restart the server" if self._failed else "the server is stopping; ask again later"
        )

    def _wait_for_work(self) -> bool:
        """Sleep until there is something to compute; False when the engine is to end."""
        with self._wake:
            while True:
                work = bool(self._waiting) or any(slot.answer for slot in self._slots)
                if self._abandoning or (self._stopping and not work):
                    return False
                if work:
                    return True
                self._wake.wait()

    def _step(self) -> None:
        self._drop_cancelled()
        self._admit()
        parts = self._compose()
        if parts:
            self._context.compute()
            for part in parts:
                self._advance(part)

    def _drop_cancelled(self) -> None:
        cancelled = Failed(Cancelled("the request was cancelled"))
        with self._wake:
            gone = [ticket for ticket in self._waiting if ticket.cancelled]
            if gone:
                self._waiting = deque(ticket for ticket in self._waiting if not ticket.cancelled)
        for ticket in gone:
            ticket.emit(cancelled)
        for slot in self._slots:
            if slot.answer is not None and slot.answer.ticket.cancelled:
                self._release(slot, cancelled)

    def _admit(self) -> None:
        """Give free slots to waiting requests, each the one whose memory shares most with its prompt."""
        while True:
            with self._wake:
                free = [slot for slot in self._slots if slot.answer is None]
                if not free or not self._waiting:
                    return
                ticket = self._waiting.popleft()
                prompt = ticket.request.tokens
                # Where scores of the prompt are wanted, every token of it must be computed.
                shared = {slot.number: 0 if ticket.request.score_prompt else slot.shared(prompt) for slot in free}
                # Among equals the one whose memory has lain there longest, so that younger ones stay of use.
                slot = max(free, key=lambda slot: (shared[slot.number], -slot.used_at))
                try:
                    kept = self._context.keep(slot.number, shared[slot.number])
                    slot.tokens = list(prompt[:kept])
                    slot.answer = Answer(ticket, self._model, kept, self._length)
                except Exception:
                    ticket.emit(Failed(EngineFailed("the engine could not begin this request; try again")))
                    raise

    def _compose(self) -> list[_Part]:
        """Fill the batch: a token of each answer, then the prompts, the longest admitted first."""
        self._context.begin()
        parts = []
        prompting = []
        for slot in self._slots:
            if slot.answer is not None and slot.answer.prompting:
                prompting.append((slot, slot.answer))
            elif slot.answer is not None:
                index = self._context.add(slot.answer.next_token, len(slot.tokens), slot.number, output=True)
                parts.append(_Part(slot, slot.answer, index, 1))
        room = min(BATCH - len(parts), CHUNK_BESIDE_ANSWERS) if parts else BATCH
        scored = SCORED_PER_STEP
        for slot, answer in sorted(prompting, key=lambda pair: pair[1].began):
            prompt, scoring = answer.request.tokens, answer.request.score_prompt
            count = min(len(prompt) - answer.done, room, scored if scoring else room)
            if not count:
                continue
            room -= count
            scored -= count if scoring else 0
            last = len(prompt) - 1
            indices = [
                self._context.add(prompt[place], place, slot.number, output=scoring or place == last)
                for place in range(answer.done, answer.done + count)
            ]
            parts.append(_Part(slot, answer, indices[0], count))
        return parts

    def _advance(self, part: _Part) -> None:
        """Take in what a step has computed for a slot."""
        slot, answer, request = part.slot, part.answer, part.answer.request
        if answer.prompting:
            if request.score_prompt:
                answer.ticket.emit(PromptScored(tuple(self._score_prompt(part))))
            slot.tokens += request.tokens[answer.done : answer.done + part.count]
            answer.done += part.count
            if answer.prompting:
                return
        else:
            slot.tokens.append(answer.next_token)
        if request.max_tokens == 0:
            self._release(slot, answer.finished("length"))
            return
        index = part.index + part.count - 1
        try:
            token = answer.sample(self._context.handle, index)
        except InvalidRequest as error:  # a grammar that leads nowhere
            self._release(slot, Failed(error))
            return
        scored = None
        if request.logprobs is not None:
            scored = score(self._context.logits(index), [token], request.logprobs)[0]
        piece, reason = answer.take(token, scored)
        if piece.text or piece.score:
            answer.ticket.emit(piece)
        if reason:
            self._seconds_per_request += 0.2 * (time.monotonic() - answer.began - self._seconds_per_request)
            self._release(slot, answer.finished(reason))

    def _score_prompt(self, part: _Part) -> list[TokenScore]:
        """Scores of the prompt's tokens that follow those of a part, and of its very first with the first part."""
        request, done = part.answer.request, part.answer.done
        targets = request.tokens[done + 1 : done + 1 + part.count]
        scores = score(self._context.logits(part.index, part.count), targets, request.logprobs or 0)
        return scores if done else [TokenScore(request.tokens[0], None), *scores]

    def _release(self, slot: Slot, event: Finished | Failed) -> None:
        answer = slot.answer
        with self._wake:
            slot.free()
        if answer is not None:
            answer.ticket.emit(event)

    def _abandon(self, error: EngineError) -> None:
        """Fail every running answer and distrust what the memory holds."""
        for slot in self._slots:
            self._release(slot, Failed(error))
            slot.tokens = []
