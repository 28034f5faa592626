"""The engine: one thread that answers many requests at once, and the queue before it.

A request is refused at once where the queue is full, and begins when a slot is free and its worst case fits into the
memory beside those of the others. Knows nothing about HTTP, text or templates, nor about what a step computes.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from appliance.engine.batching import Batching
from appliance.engine.errors import (
    Cancelled,
    ContextExceeded,
    DeadlineExceeded,
    EngineError,
    EngineFailed,
    EngineStopped,
    InvalidRequest,
    QueueFull,
)
from appliance.engine.model import Model
from appliance.engine.prefixes import PrefixStore
from appliance.engine.request import Event, Failed, Finished, GenerationRequest
from appliance.engine.sampler import Sampler
from appliance.engine.slot import Ticket
from appliance.engine.speculation import Costs
from appliance.engine.stats import EngineStats
from appliance.engine.waiting import Line
from appliance.settings import KvType

log = logging.getLogger(__name__)


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


class Engine:
    """Answers requests until it is closed."""

    def __init__(
        self,
        model: Model,
        *,
        slots: int,
        context: int,
        queue_limit: int,
        threads: int,
        memory: int = 0,
        offload: bool = False,
        kv_type: KvType = "F16",
        strict: bool = False,
        shared: bool = False,
        prefixes: PrefixStore | None = None,
        adapters: Mapping[str, Path] | None = None,
        costs: Costs | None = None,
    ) -> None:
        """Set aside memory and start the thread.

        `slots` answers are made at once, each of up to `context` tokens, prompt included, and all of them together of
        up to `memory` tokens (0: as many as all slots could need), which makes sense where they have one `shared`
        memory rather than one each. With `strict`, no answer depends on what else runs.
        `adapters` are LoRA adapters as GGUF files, by the names that requests have for them. With the `costs` of steps,
        next tokens are guessed where that pays.

        Raises:
            BundleError: an adapter isn't one of the model's.
            ServerError: the memory isn't there.
        """
        self._model = model
        self._adapters = list(adapters or {})
        self._slots = slots
        self._cells = memory if memory and shared and not strict else slots * context
        self._length = min(context, self._cells)
        self._batching = Batching(
            model,
            slots=slots,
            length=self._length,
            cells=self._cells,
            threads=threads,
            offload=offload,
            kv_type=kv_type,
            strict=strict,
            shared=shared,
            prefixes=prefixes,
            adapters=adapters or {},
            costs=costs,
        )
        self._line = Line()
        self._ahead: list[Ticket] = []
        """Those that come before all in the line; no other thread than the engine's may put them there."""
        self._queue_limit = queue_limit
        self._wake = threading.Condition()
        self._stopping = self._abandoning = self._failed = False
        self.after_step: Callable[[], None] = _nothing
        """Called on the engine's thread after each step, when all that the step gave is with the listeners."""
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def submit(
        self, request: GenerationRequest, listener: Callable[[Event], None], *, instead_of: Ticket | None = None
    ) -> Ticket:
        """Queue a request; `listener` gets its events on the engine's thread, so it must be quick.

        One that is to be answered `instead_of` another, which ends where it is, has its turn before all that wait.

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
        if request.adapter and request.adapter not in self._adapters:
            known = ", ".join(self._adapters) or "none"
            raise InvalidRequest(f"there is no adapter {request.adapter!r}; there are: {known}")
        sampler = Sampler(request.sampling, self._model, request.tokens)
        ticket = Ticket(request, sampler, listener, self._notify)
        with self._wake:
            if self._stopping and (instead_of is None or self._abandoning):
                raise self._stopped()
            if instead_of is not None:
                self._ahead.append(ticket)
                instead_of.replaced = instead_of.cancelled = True
                self._wake.notify()
                return ticket
            free = self._slots - len(self._batching.answers)
            if len(self._line) >= self._queue_limit + free:
                self._batching.counts.refused += 1
                raise QueueFull(len(self._line), self._retry_after())
            self._line.add(ticket)
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
        return Load(self._slots, len(self._batching.answers), len(self._line), self._queue_limit, self._failed)

    def stats(self) -> EngineStats:
        """What the engine does and has done; never waits for a step."""
        counts, memory = self._batching.counts, self._batching.memory
        return EngineStats(
            slots=self._slots,
            busy=len(self._batching.answers),
            waiting=len(self._line),
            queue=self._queue_limit,
            memory=self._cells,
            memory_used=memory.used,
            memory_promised=memory.promised,
            kept=len(memory.kept),
            finished=counts.finished,
            refused=counts.refused,
            cancelled=counts.cancelled,
            expired=counts.expired,
            failed=counts.failed,
            steps=counts.steps,
            prompt_tokens=counts.prompt_tokens,
            reused_tokens=counts.reused_tokens,
            restored_tokens=memory.restored,
            generated_tokens=counts.generated_tokens,
            guessed_tokens=counts.guessed_tokens,
            guessed_right=counts.guessed_right,
            first_token=counts.first_token.histogram(),
            between_tokens=counts.between_tokens.histogram(),
        )

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
        """Seconds until as many answers have ended as requests wait, from how long answers took lately."""
        at_once = max(1, len(self._batching.answers))
        return max(1, min(60, round(self._batching.seconds_per_answer * len(self._line) / at_once)))

    def _run(self) -> None:
        try:
            while self._wait_for_work():
                try:
                    self._step()
                except Exception as error:
                    log.exception("a step of the engine failed")
                    reason = str(error) if isinstance(error, EngineError) else type(error).__name__
                    self._batching.abandon(EngineFailed(f"the engine failed on this request ({reason}); try again"))
                self.after_step()
        except BaseException:
            log.exception("the engine has failed")
            self._failed = True
        finally:
            with self._wake:
                self._stopping = self._abandoning = True
                waiting = [*self._ahead, *self._line.remove(lambda ticket: True)]
            stopped = self._stopped()
            for ticket in waiting:
                ticket.emit(Failed(stopped))
            self._batching.abandon(stopped)
            self.after_step()
            self._batching.close()

    def _stopped(self) -> EngineStopped:
        return EngineStopped(
            "the engine has failed; restart the server" if self._failed else "the server is stopping; ask again later"
        )

    def _wait_for_work(self) -> bool:
        """Sleep until there is something to compute; False when the engine is to end."""
        if self._batching.answers and not self._abandoning:
            return True
        with self._wake:
            while True:
                work = bool(self._ahead or len(self._line) or self._batching.answers)
                if self._abandoning or (self._stopping and not work):
                    return False
                if work:
                    return True
                self._wake.wait()

    def _step(self) -> None:
        now = time.monotonic()
        self._send_away(now)
        self._batching.end_those_who_must(now)
        self._admit()
        self._batching.step()

    def _send_away(self, now: float) -> None:
        """Take out of the queue whom nobody waits for any more, and whose time is up."""
        if not len(self._line):  # as in most steps, which then don't wait for whoever submits
            return
        with self._wake:
            gone = self._line.remove(lambda ticket: ticket.cancelled or ticket.expires <= now)
        for ticket in gone:
            if ticket.cancelled:
                self._batching.counts.cancelled += 1
                ticket.emit(Failed(Cancelled("the request was cancelled")))
            else:
                self._batching.counts.expired += 1
                ticket.emit(Failed(DeadlineExceeded("the request's time was up before its turn came; ask again later")))

    def _admit(self) -> None:
        """Begin the waiting requests whose turn it is, as far as there are slots and memory for them."""
        if self._ahead:
            with self._wake:
                while self._ahead:
                    self._line.add(self._ahead.pop(), first=True)
        # No other thread takes requests out, so the first one stays the first while it is begun without the lock.
        while len(self._line) and (ticket := self._first()) is not None:
            try:
                begun = self._batching.begin(ticket)
            except Exception:
                ticket.emit(Failed(EngineFailed("the engine could not begin this request; try again")))
                ticket.cancelled = True
                raise
            if not begun:
                return
            with self._wake:
                self._line.take()

    def _first(self) -> Ticket | None:
        with self._wake:
            return self._line.first()


def _nothing() -> None:
    """What is done after a step unless somebody wants to know of it."""
