"""Guessing next tokens: what is guessed, when it pays, and that no answer and no memory is changed by it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.engine import costs as costs_module
from appliance.engine.costs import SIZES, costs_for
from appliance.engine.engine import Engine
from appliance.engine.model import Model
from appliance.engine.request import Finished, GenerationRequest, Piece, SamplingParams
from appliance.engine.speculation import MOST, Costs, Guesser
from tests.appliance.asked import Asked, ask_at_random, some_prompt

FREE = Costs({1: 1.0, 17: 1.0})
"""Where as many tokens as you like cost no more than one."""
DEAR = Costs({1: 1.0, 17: 17.0})
REPEATS = some_prompt(1, 12) * 6
FEW = tuple((token, 100.0) for token in (5000, 5001, 5002))
"""So that an answer of these tokens alone repeats itself, and is guessed both right and wrong."""
GREEDY = SamplingParams(0.0, 1.0, 1.0, logit_bias=FEW)
DRAWN = SamplingParams(0.8, 0.95, 1.1, seed=5, logit_bias=FEW)


def greedy(tokens: tuple[int, ...], max_tokens: int, **more: Any) -> GenerationRequest:
    return GenerationRequest(tokens, max_tokens, GREEDY, **more)


def engine_with(tiny: Model, costs: Costs | None, **settings: Any) -> Engine:
    return Engine(tiny, slots=2, context=512, queue_limit=64, threads=1, costs=costs, **settings)


@pytest.fixture(params=[False, True], ids=["apart", "shared"])
def guessing(tiny: Model, request: pytest.FixtureRequest) -> Iterator[Engine]:
    engine = engine_with(tiny, FREE, shared=request.param)
    yield engine
    engine.close()


@pytest.fixture
def plain(tiny: Model) -> Iterator[Engine]:
    engine = engine_with(tiny, None)
    yield engine
    engine.close()


def answered(engine: Engine, request: GenerationRequest) -> tuple[list[int], str, Finished]:
    events = list(engine.generate(request))
    assert isinstance(events[-1], Finished), events[-1]
    pieces = [event for event in events if isinstance(event, Piece)]
    return [one.score.token for one in pieces if one.score], "".join(one.text for one in pieces), events[-1]


def test_what_followed_last_time_is_guessed() -> None:
    guesser = Guesser([1, 2, 3, 4, 5, 9, 1, 2, 3, 6, 7])
    assert guesser.guess(3) == ()
    for token in (1, 2, 3):
        guesser.add(token)
    assert guesser.guess(3) == (6, 7, 1)
    assert guesser.guess(0) == ()
    assert Guesser([]).guess(4) == ()


def test_it_learns_how_often_it_is_right() -> None:
    guesser = Guesser([1, 2, 3, 4])
    before = guesser.right
    for token in (1, 2, 3, 4):
        guesser.add(token)
    assert guesser.right > before
    for token in (1, 2, 3):
        guesser.add(token)
    before = guesser.right
    guesser.add(5)
    assert guesser.right < before


def test_guesses_are_as_long_as_they_pay() -> None:
    guesser = Guesser([])
    assert guesser.worth(FREE, 0) == MOST
    assert guesser.worth(DEAR, 0) == 0
    some = Costs({1: 1.0, 9: 2.0})
    assert 0 < guesser.worth(some, 0) < MOST
    guesser.right = 0.95
    assert guesser.worth(some, 0) == MOST
    guesser.right = 0.1
    assert guesser.worth(some, 0) == 0


def test_costs_between_what_was_measured() -> None:
    costs = Costs({1: 1.0, 3: 2.0, 9: 5.0})
    assert [costs[count] for count in (1, 2, 3, 6, 9, 11)] == [1.0, 1.5, 2.0, 3.5, 5.0, 6.0]


@pytest.mark.parametrize("sampling", [GREEDY, DRAWN], ids=["greedy", "drawn"])
def test_the_answer_is_the_same(guessing: Engine, plain: Engine, sampling: SamplingParams) -> None:
    for prompt in (REPEATS, some_prompt(2, 30)):
        request = GenerationRequest(prompt, 60, sampling, logprobs=0)
        tokens, text, last = answered(guessing, request)
        assert (tokens, text) == answered(plain, request)[:2]
        assert last.completion_tokens == len(tokens) == 60 and last.reason == "length"
    stats = guessing.stats()
    assert stats.guessed_tokens > 0 == plain.stats().guessed_tokens
    assert stats.steps < plain.stats().steps
    assert stats.generated_tokens == 120
    assert 0 < stats.guessed_right < stats.guessed_tokens


def test_what_is_kept_of_an_answer_is_right(guessing: Engine, plain: Engine) -> None:
    tokens, _, _ = answered(guessing, greedy(REPEATS, 40, logprobs=0))
    for length in (40, 25):
        request = greedy((*REPEATS, *tokens[:length], *some_prompt(3, 4)), 20, logprobs=0)
        again, _, last = answered(guessing, request)
        assert last.timings.cache_n >= len(REPEATS)
        assert again == answered(plain, request)[0]


def test_a_text_that_ends_it_ends_it_in_a_guess_too(guessing: Engine, plain: Engine) -> None:
    _, text, _ = answered(plain, greedy(REPEATS, 60))
    request = greedy(REPEATS, 60, stop=(text[-20:],))
    _, ended, last = answered(guessing, request)
    assert ended == answered(plain, request)[1] and len(ended) < len(text) and last.reason == "stop"
    assert guessing.stats().memory_promised == 0


def test_two_at_once_and_some_that_go_away(guessing: Engine, plain: Engine) -> None:
    requests = [greedy(REPEATS, 50), greedy(some_prompt(4, 9) * 5, 50)]
    alone = [answered(plain, request)[1] for request in requests]
    asked = [Asked(guessing, request) for request in requests]
    for one, text in zip(asked, alone, strict=True):
        one.finished()
        assert one.text == text
    stats = ask_at_random(guessing, 100)
    assert stats.memory_promised == 0 and stats.failed == 0


def test_a_grammar_holds(guessing: Engine) -> None:
    request = GenerationRequest(REPEATS, 30, SamplingParams(0.0, 1.0, 1.0, grammar='root ::= "ab ab ab ab ab ab"'))
    _, text, last = answered(guessing, request)
    assert text == "ab ab ab ab ab ab" and last.reason == "stop"


def test_costs_are_measured_once_and_not_on_a_busy_machine(
    tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "cache" / "steps.json"
    monkeypatch.setattr(costs_module, "busy", lambda cores: True)
    assert costs_for(tiny, "here", 1, offload=False, place=place) is None
    monkeypatch.setattr(costs_module, "busy", lambda cores: False)
    measured = costs_for(tiny, "here", 1, offload=False, place=place)
    assert measured is not None and measured[9] > 0
    written = json.loads(place.read_bytes())
    assert list(written["here"]) == [str(size) for size in SIZES]
    monkeypatch.setattr(costs_module, "measure", lambda *given, **more: pytest.fail("measured again"))
    assert costs_for(tiny, "here", 1, offload=False, place=place) is not None
    for damaged in ({"1": 1.0}, {str(size): -1.0 for size in SIZES}, []):
        place.write_text(json.dumps({"here": damaged}))
        with pytest.raises(pytest.fail.Exception):
            costs_for(tiny, "here", 1, offload=False, place=place)
