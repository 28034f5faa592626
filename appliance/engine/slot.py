"""A request on its way, and the answer that is made for it.

Knows what has been computed and what comes next; nothing about batches, threads or queues.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from typing import Any

from appliance.engine.memory import Held
from appliance.engine.model import Model
from appliance.engine.request import (
    Event,
    Failed,
    Finished,
    FinishReason,
    GenerationRequest,
    Piece,
    Timings,
    TokenScore,
)
from appliance.engine.sampler import Sampler
from appliance.engine.speculation import Costs, Guesser
from appliance.engine.stats import Counts
from appliance.engine.text import TextStream


class Ticket:
    """A request on its way through the engine."""

    def __init__(
        self,
        request: GenerationRequest,
        sampler: Sampler,
        listener: Callable[[Event], None],
        wake: Callable[[], None],
    ) -> None:
        """`listener` gets the events, on the engine's thread; `wake` tells the engine of a cancellation."""
        self.request = request
        self.sampler: Sampler | None = sampler
        """Until the last event: its memory, a vocabulary's worth, isn't to wait for who still holds the ticket."""
        self.submitted = time.monotonic()
        self.expires = math.inf if request.deadline is None else self.submitted + request.deadline
        """When its deadline is, in seconds of the monotonic clock."""
        self.cancelled = False
        self.replaced = False
        """Whether it ends where it is, for a request that is answered in its place."""
        self._ended = False
        self._listener = listener
        self._wake = wake

    def cancel(self) -> None:
        """End the request; its slot is free within one step. Does nothing when it has ended already."""
        self.cancelled = True
        self._wake()

    def emit(self, event: Event) -> None:
        """Hand an event to the listener; nothing more after the last event, or when the listener fails."""
        last = isinstance(event, Finished | Failed)
        if last:
            self.sampler = None
        if self._ended:
            return
        self._ended = last
        try:
            self._listener(event)
        except Exception:  # whoever asked is gone, e.g. with its event loop
            self._ended = self.cancelled = True


class Answer:
    """One answer in the making."""

    def __init__(self, ticket: Ticket, model: Model, held: Held, limit: int) -> None:
        """The sequence `held` has the beginning of the prompt already; the answer has at most `limit` tokens."""
        kept = len(held.tokens)
        self.ticket = ticket
        self.request = request = ticket.request
        self.held = held
        self.began = self.first_at = self.last_at = time.monotonic()
        self.done = kept
        """How many tokens of the prompt are in the memory."""
        self.next_token = -1
        """The token to compute next, once the prompt is done."""
        self.generated = 0
        """How many tokens the answer has."""
        self._kept = kept
        self._limit = limit
        self._model = model
        self._text = TextStream(request.stop)
        self._guesser: Guesser | None = None

    @property
    def prompting(self) -> bool:
        """Whether a part of the prompt is yet to be computed."""
        return self.done < len(self.request.tokens)

    def sample(self, context: Any, index: int) -> int:
        """Choose the next token from output `index` of the context's last step."""
        assert self.ticket.sampler is not None  # it has not ended
        return self.ticket.sampler.sample(context, index)

    def guess(self, costs: Costs, beside: int) -> tuple[int, ...]:
        """What may follow the token that is to be computed, as far as it pays in a step with `beside` tokens more."""
        if self._guesser is None:
            self._guesser = Guesser((*self.request.tokens, self.next_token))
        left = self._limit - self.generated - 1
        return self._guesser.guess(min(self._guesser.worth(costs, beside), left))

    def count(self, counts: Counts, now: float) -> None:
        """Count a token, which came now."""
        counts.generated_tokens += 1
        if self.generated:
            counts.between_tokens.add(now - self.last_at)
        else:
            self.first_at = now
            counts.first_token.add(now - self.ticket.submitted)
        self.last_at = now

    def take(self, token: int, score: TokenScore | None) -> tuple[Piece, FinishReason | None]:
        """Add a generated token to the answer; returns what leaves, and why the answer ends if it does."""
        self.generated += 1
        self.next_token = token
        if self._guesser is not None:
            self._guesser.add(token)
        if self._model.ends_answer(token):
            return Piece(self._text.end()), "stop"
        text = self._text.push(self._model.plain_piece(token))
        if self._text.stopped:
            return Piece(text, score), "stop"
        if self.generated >= self._limit:
            return Piece(text + self._text.end(), score), "length"
        return Piece(text, score), None

    def finished(self, reason: FinishReason) -> Finished:
        """The last event of the answer."""
        now = time.monotonic()
        if not self.generated:
            self.first_at = now
        prompt_tokens = len(self.request.tokens)
        computed = prompt_tokens - self._kept
        prompt_seconds = self.first_at - self.began
        predicted_seconds = now - self.first_at
        timings = Timings(
            cache_n=self._kept,
            prompt_n=computed,
            prompt_ms=round(prompt_seconds * 1000, 3),
            prompt_per_second=_rate(computed, prompt_seconds),
            predicted_n=self.generated,
            predicted_ms=round(predicted_seconds * 1000, 3),
            predicted_per_second=_rate(self.generated - 1, predicted_seconds),
        )
        return Finished(reason, prompt_tokens, self.generated, timings)


def guesses(answers: Iterable[Answer], costs: Costs, most: int) -> dict[Answer, tuple[int, ...]]:
    """What may come next in answers that are computed together; at most `most` tokens."""
    answers = list(answers)
    guessed = {}
    for answer in answers:
        guessed[answer] = answer.guess(costs, len(answers) - 1)[:most]
        most -= len(guessed[answer])
    return guessed


def _rate(count: int, seconds: float) -> float:
    return round(count / seconds, 2) if seconds > 0 and count > 0 else 0.0
