"""The shared memory: who may begin, what is taken over, what goes, and that it never overflows."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from appliance.engine.cells import Cells
from appliance.engine.context import Context
from appliance.engine.engine import Engine
from appliance.engine.errors import DeadlineExceeded
from appliance.engine.memory import Memory, common
from appliance.engine.model import Model
from appliance.engine.request import Failed
from appliance.engine.sampler import Sampler
from appliance.engine.slot import Ticket
from appliance.engine.waiting import Line

from .asked import Asked, ask_at_random, greedy, some_prompt


@pytest.fixture
def engine(tiny: Model) -> Iterator[Engine]:
    """Four slots, and memory for far less than four times the context."""
    engine = Engine(tiny, slots=4, context=256, queue_limit=64, threads=1, memory=512, shared=True)
    yield engine
    engine.close()


def test_the_longest_common_beginning_is_found() -> None:
    draw = random.Random(1)
    for _ in range(500):
        one = [draw.randrange(2) for _ in range(draw.randrange(12))]
        other = [draw.randrange(2) for _ in range(draw.randrange(12))]
        wanted = next(
            (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
        )
        assert common(one, other, 99) == wanted
        assert common(one, other, 3) == min(3, wanted)


def test_cells_are_free_when_nobody_holds_them() -> None:
    cells = Cells(4)
    first = cells.take(3)
    second = cells.share(first[:2])
    cells.drop(first)
    assert cells.free == 2
    cells.drop(second)
    assert cells.free == 4
    with pytest.raises(AssertionError):
        cells.take(5)


def test_clients_take_turns() -> None:
    line = Line()

    def ticket(client: str, number: int) -> Ticket:
        sampler = Sampler.__new__(Sampler)  # the line never looks at it
        return Ticket(greedy((number,), client=client), sampler, lambda event: None, lambda: None)

    for client, number in [("a", 1), ("a", 2), ("a", 3), ("b", 4), ("b", 5), ("c", 6)]:
        line.add(ticket(client, number))
    line.add(ticket("c", 7), first=True)
    assert len(line.remove(lambda ticket: ticket.request.tokens == (2,))) == 1
    order = []
    while (first := line.first()) is not None:
        assert line.take() is first
        order.append(first.request.tokens[0])
    assert order == [7, 1, 4, 6, 3, 5]
    assert len(line) == 0


def test_waiting_clients_are_answered_in_turn(tiny: Model) -> None:
    engine = Engine(tiny, slots=1, context=256, queue_limit=9, threads=1)
    try:
        blocker = Asked(engine, greedy(some_prompt(0, 5), 200))
        assert blocker.begun.wait(60)
        asked = [Asked(engine, greedy(some_prompt(1, 5), 1, client=client)) for client in ("a", "a", "a", "b")]
        blocker.ticket.cancel()
        assert asked[3].ended.wait(60)
        assert not asked[2].ended.is_set() or asked[2].ended_at > asked[3].ended_at
        assert asked[0].ended_at < asked[3].ended_at
    finally:
        engine.close()


def test_a_long_request_waits_for_memory_and_short_ones_run_together(engine: Engine) -> None:
    long = [Asked(engine, greedy(some_prompt(seed, 120), 130)) for seed in range(3)]
    for asked in long[:2]:
        assert asked.begun.wait(60)
    stats = engine.stats()
    assert (stats.busy, stats.waiting) == (2, 1)
    assert stats.memory_used + stats.memory_promised <= stats.memory == 512
    long[0].ticket.cancel()
    assert long[2].begun.wait(60)
    for asked in long[1:]:
        asked.ticket.cancel()
        assert asked.ended.wait(60)
    short = [Asked(engine, greedy(some_prompt(seed, 8), 40)) for seed in range(4)]
    for asked in short:
        assert asked.begun.wait(60)
    assert engine.stats().busy > 1
    for asked in short:
        asked.finished()


def test_the_memory_never_overflows(engine: Engine) -> None:
    stats = ask_at_random(engine, 100)
    assert stats.failed == 0
    assert stats.finished + stats.cancelled == 40
    assert (stats.busy, stats.memory_promised) == (0, 0)
    assert stats.memory_used <= stats.memory
    assert stats.reused_tokens > 0
    assert sum(stats.first_token.counts) >= stats.finished


def test_a_prefix_is_copied_from_a_running_answer_and_from_one_that_ended(engine: Engine) -> None:
    stem = some_prompt(1, 60)
    first = Asked(engine, greedy((*stem, 5000), 60))
    assert first.begun.wait(60)
    second = Asked(engine, greedy((*stem, 6000, 6001), 2)).finished()
    assert second.timings.cache_n == 60
    assert engine.stats().busy == 1
    first.finished()
    assert Asked(engine, greedy((*stem, 7000), 2)).finished().timings.cache_n == 60


def test_prompts_that_begin_alike_are_computed_once_also_when_they_come_together(engine: Engine) -> None:
    stem = some_prompt(2, 150)
    asked = [Asked(engine, greedy((*stem, 5000 + number), 4)) for number in range(4)]
    assert sorted(one.finished().timings.cache_n for one in asked) == [0, 150, 150, 150]
    assert engine.stats().prompt_tokens == 150 + 4


def test_what_was_taken_over_gives_the_answer_of_a_fresh_engine(tiny: Model, engine: Engine) -> None:
    prompt = some_prompt(5, 40)
    fresh = Engine(tiny, slots=1, context=256, queue_limit=1, threads=1)
    wanted = Asked(fresh, greedy(prompt, 20))
    wanted.finished()
    fresh.close()
    Asked(engine, greedy((*prompt[:30], 5000), 2)).finished()
    reused = Asked(engine, greedy(prompt, 20))
    assert reused.finished().timings.cache_n == 30
    assert reused.text == wanted.text


def test_the_least_recently_used_goes_first(engine: Engine) -> None:
    old, used, new = (some_prompt(seed, 100) for seed in (1, 2, 3))
    for tokens in (old, used, used + some_prompt(9, 5), new):
        Asked(engine, greedy(tokens, 1)).finished()
    Asked(engine, greedy(some_prompt(4, 200), 50)).finished()
    assert Asked(engine, greedy((*used, 1), 1)).finished().timings.cache_n == 100
    assert Asked(engine, greedy((*old, 1), 1)).finished().timings.cache_n == 0


def test_memory_that_cannot_be_cut_is_computed_anew(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Context, "cuttable", False)
    engine = Engine(tiny, slots=2, context=256, queue_limit=4, threads=1)
    try:
        tokens = some_prompt(1, 30)
        first, second = Asked(engine, greedy(tokens)), Asked(engine, greedy(tokens))
        assert first.finished().timings.cache_n == second.finished().timings.cache_n == 0
        assert first.text == second.text
        assert Asked(engine, greedy(tokens)).finished().timings.cache_n == 0
        assert engine.stats().memory_used == 0
    finally:
        engine.close()


def test_slots_with_memory_of_their_own_go_on_where_they_can(tiny: Model) -> None:
    engine = Engine(tiny, slots=2, context=256, queue_limit=9, threads=1)
    shared = Engine(tiny, slots=2, context=256, queue_limit=9, threads=1, shared=True)
    try:
        prompts = [some_prompt(1, 100), (*some_prompt(1, 60), *some_prompt(2, 30)), some_prompt(3, 200)]
        wanted = [Asked(shared, greedy(prompt, 10)) for prompt in prompts]
        asked = [Asked(engine, greedy(prompt, 10)) for prompt in prompts]
        for one, other in zip(asked, wanted, strict=True):
            one.finished()
            other.finished()
            assert one.text == other.text
        last = Asked(engine, greedy((*prompts[2], 1000), 10)).finished()
        assert last.timings.cache_n == 200
        assert engine.stats().kept == 2
        assert engine.stats().memory_used <= engine.stats().memory == 512
    finally:
        engine.close()
        shared.close()


def test_more_kept_sequences_than_numbers(tiny: Model) -> None:
    context = Context(tiny, sequences=4, cells=64, outputs=3, threads=1)
    memory = Memory(context, cells=64, slots=1, kept=2)
    for seed in range(5):
        held = memory.begin(some_prompt(seed, 10), 12)
        assert held is not None
        context.begin()
        context.add(some_prompt(seed, 10), 0, held.number)
        context.compute()
        memory.computed(held, some_prompt(seed, 10))
        assert memory.begin(some_prompt(99, 10), 12) is None, "the only slot is taken"
        memory.end(held)
    assert len(memory.kept) == 3
    assert memory.used == 30
    memory.clear()
    assert memory.used == 0
    context.close()


def test_a_deadline_ends_a_running_answer_and_a_waitinggreedy(engine: Engine) -> None:
    running = Asked(engine, greedy(some_prompt(1, 20), 230, deadline=0.05))
    blocker = Asked(engine, greedy(some_prompt(2, 20), 230))
    waiting = Asked(engine, greedy(some_prompt(3, 100), 150, deadline=0.0))
    assert waiting.ended.wait(60)
    assert isinstance(waiting.last, Failed)
    assert isinstance(waiting.last.error, DeadlineExceeded)
    finished = running.finished()
    assert finished.reason == "deadline"
    assert 0 < finished.completion_tokens < 230
    blocker.ticket.cancel()
    assert blocker.ended.wait(60)
    assert engine.stats().expired == 2
