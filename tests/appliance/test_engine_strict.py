"""Strict mode: an answer is the same, bit for bit, whatever else is answered meanwhile."""

from __future__ import annotations

from appliance.engine.engine import Engine
from appliance.engine.model import Model
from appliance.engine.request import GenerationRequest

from .asked import Asked, greedy, some_prompt

PROMPTS = [some_prompt(seed, length) for seed, length in enumerate((20, 150, 3, 300))]


def _answers(engine: Engine, requests: list[GenerationRequest]) -> list[list[tuple[int, float | None]]]:
    asked = [Asked(engine, request) for request in requests]
    for one in asked:
        one.finished()
    return [one.scores for one in asked]


def test_strict_answers_are_the_same_bit_for_bit_alone_and_together(tiny: Model) -> None:
    requests = [greedy(prompt, 30, logprobs=0) for prompt in PROMPTS]
    engine = Engine(tiny, slots=3, context=512, queue_limit=9, threads=2, strict=True)
    try:
        alone = [_answers(engine, [request])[0] for request in requests]
        assert all(len(scores) == 30 for scores in alone)
        assert _answers(engine, requests) == alone
        assert _answers(engine, requests[::-1]) == alone[::-1]
        assert engine.stats().memory_used == 0
    finally:
        engine.close()


def test_otherwise_answers_are_the_same_up_to_rounding(tiny: Model) -> None:
    engine = Engine(tiny, slots=4, context=512, queue_limit=9, threads=1)
    try:
        for prompt in PROMPTS:
            (alone,) = _answers(engine, [greedy(prompt, 12, logprobs=0)])
            together = _answers(engine, [greedy(one, 12, logprobs=0) for one in (prompt, *PROMPTS)])
            assert [token for token, _ in together[0]] == [token for token, _ in alone]
    finally:
        engine.close()
