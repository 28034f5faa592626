"""A request to an engine and what came of it, for the tests of the engine."""

from __future__ import annotations

import random
import threading
import time
from typing import Any

from appliance.engine.engine import Engine
from appliance.engine.request import Event, Failed, Finished, GenerationRequest, Piece, SamplingParams
from appliance.engine.stats import EngineStats

GREEDY = SamplingParams(0.0, 1.0, 1.0)


class Asked:
    """A request, submitted."""

    def __init__(self, engine: Engine, request: GenerationRequest) -> None:
        self.text = ""
        self.scores: list[tuple[int, float | None]] = []
        self.begun, self.ended = threading.Event(), threading.Event()
        self.last: Finished | Failed | None = None
        self.ended_at = 0.0
        self.ticket = engine.submit(request, self._hear)

    def _hear(self, event: Event) -> None:
        if isinstance(event, Piece):
            self.text += event.text
            if event.score:
                self.scores.append((event.score.token, event.score.logprob))
            self.begun.set()
        elif isinstance(event, Finished | Failed):
            self.last = event
            self.ended_at = time.monotonic()
            self.begun.set()
            self.ended.set()

    def finished(self) -> Finished:
        """Its end, for which at most a minute is waited."""
        assert self.ended.wait(60)
        assert isinstance(self.last, Finished), self.last
        return self.last


def greedy(tokens: tuple[int, ...], max_tokens: int = 4, **more: Any) -> GenerationRequest:
    """A request for a greedy answer."""
    return GenerationRequest(tokens, max_tokens, GREEDY, **more)


def some_prompt(seed: int, length: int) -> tuple[int, ...]:
    """Tokens that mean nothing."""
    draw = random.Random(seed)
    return tuple(draw.randrange(1000, 20_000) for _ in range(length))


def ask_at_random(engine: Engine, stem: int) -> EngineStats:
    """Make 40 requests whose prompts begin alike, with up to `stem` tokens, cancel some, and wait for all."""
    draw = random.Random(7)
    stems = [some_prompt(seed, stem) for seed in range(3)]
    asked: list[Asked] = []
    for number in range(40):
        tokens = stems[draw.randrange(3)][: draw.randrange(1, stem)] + some_prompt(number, draw.randrange(1, 60))
        asked.append(Asked(engine, greedy(tokens, draw.randrange(1, 40))))
        if draw.random() < 0.2:
            asked[draw.randrange(len(asked))].ticket.cancel()
    for one in asked:
        assert one.ended.wait(120)
        assert isinstance(one.last, Finished) or one.ticket.cancelled
    return engine.stats()
