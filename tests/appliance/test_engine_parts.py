"""Memory in parts, one a slot: what a new prompt takes over from the others, which part it gets, and what stays."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from appliance.engine.context import Context
from appliance.engine.engine import Engine
from appliance.engine.memory import Held, Memory
from appliance.engine.model import Model

from .asked import Asked, ask_at_random, greedy, some_prompt


@pytest.fixture
def engine(tiny: Model) -> Iterator[Engine]:
    engine = Engine(tiny, slots=4, context=256, queue_limit=64, threads=1)
    yield engine
    engine.close()


@pytest.fixture
def memory(tiny: Model) -> Iterator[Memory]:
    context = Context(tiny, sequences=4, cells=1024, outputs=4, threads=1, shared=False)
    memory = Memory(context, cells=1024, slots=4, kept=0, shared=False)
    yield memory
    context.close()


def _begun(memory: Memory, seed: int) -> Held:
    held = memory.begin(some_prompt(seed, 10), 12)
    assert held is not None
    return held


def test_a_beginning_is_copied_from_a_running_answer_and_from_one_that_ended(engine: Engine) -> None:
    stem = some_prompt(1, 60)
    first = Asked(engine, greedy((*stem, 5000), 100))
    assert first.begun.wait(60)
    assert Asked(engine, greedy((*stem, 6000, 6001), 2)).finished().timings.cache_n == 60
    assert not first.ended.is_set()
    first.finished()
    assert Asked(engine, greedy((*stem, 7000), 2)).finished().timings.cache_n == 60


def test_prompts_that_begin_alike_are_computed_once_also_when_they_come_together(engine: Engine) -> None:
    stem = some_prompt(2, 150)
    asked = [Asked(engine, greedy((*stem, 5000 + number), 4)) for number in range(4)]
    assert sorted(one.finished().timings.cache_n for one in asked) == [0, 150, 150, 150]
    assert engine.stats().prompt_tokens == 150 + 4


def test_what_was_copied_gives_the_answer_of_a_fresh_engine(tiny: Model, engine: Engine) -> None:
    stem = some_prompt(3, 120)
    prompts = [(*stem[:length], *some_prompt(length, 9)) for length in (40, 120, 80, 119)]
    wanted = []
    for prompt in prompts:
        fresh = Engine(tiny, slots=1, context=256, queue_limit=1, threads=1)
        wanted.append(Asked(fresh, greedy(prompt, 20)))
        wanted[-1].finished()
        fresh.close()
    Asked(engine, greedy((*stem, 5000), 2)).finished()
    asked = [Asked(engine, greedy(prompt, 20)) for prompt in prompts]
    assert [one.finished().timings.cache_n for one in asked] == [40, 120, 80, 119]
    assert [one.text for one in asked] == [one.text for one in wanted]


def test_a_conversation_stays_when_another_prompt_begins_like_it(engine: Engine) -> None:
    talk = some_prompt(4, 150)
    Asked(engine, greedy(talk, 2)).finished()
    assert Asked(engine, greedy((*talk[:50], 5000), 2)).finished().timings.cache_n == 50
    assert Asked(engine, greedy((*talk[:20], 6000), 2)).finished().timings.cache_n == 0, "not worth a copy"
    assert Asked(engine, greedy((*talk, 7000), 2)).finished().timings.cache_n == 150


def test_the_least_recently_used_goes_first(engine: Engine) -> None:
    prompts = [some_prompt(seed, 100) for seed in range(4)]
    for prompt in (*prompts, (*prompts[0], 1), some_prompt(9, 100)):
        Asked(engine, greedy(prompt, 1)).finished()
    assert Asked(engine, greedy((*prompts[0], 2), 1)).finished().timings.cache_n > 99
    assert Asked(engine, greedy((*prompts[1], 2), 1)).finished().timings.cache_n == 0


def test_a_part_beside_those_that_run_comes_before_the_least_recently_used(memory: Memory) -> None:
    helds = [_begun(memory, seed) for seed in range(4)]
    assert [held.number for held in helds] == [0, 1, 2, 3]
    for number in (3, 2, 1):
        memory.end(helds[number])
    assert _begun(memory, 5).number == 1
    assert _begun(memory, 6).number == 2
    memory.end(helds[0])
    assert [held.number for held in memory.kept] == [3, 0]


def test_whatever_comes_no_part_overflows_and_nothing_is_lost(engine: Engine) -> None:
    stats = ask_at_random(engine, 150)
    assert stats.failed == 0
    assert stats.finished + stats.cancelled == 40
    assert (stats.busy, stats.memory_promised, stats.kept) == (0, 0, 4)
    assert stats.memory_used <= stats.memory == 1024
    assert stats.reused_tokens > 0
