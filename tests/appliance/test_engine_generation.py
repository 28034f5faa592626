"""The engine answering: alone, together, cancelled, refused, failing, stopping."""

from __future__ import annotations

import queue
import threading
import weakref
from collections.abc import Iterator
from dataclasses import replace

import pytest

from appliance.engine.context import Context
from appliance.engine.engine import Engine
from appliance.engine.errors import ContextExceeded, EngineFailed, EngineStopped, InvalidRequest, QueueFull
from appliance.engine.expert import Expert
from appliance.engine.request import Event, Failed, Finished, GenerationRequest, Piece, PromptScored
from appliance.engine.slot import Ticket
from bundle.errors import ServerError

QUESTIONS = ["What is a Python list?", "Name three colours.", "How do I open a file?", "Why is the sky blue?"]
NOISE = 0.5
"""How far log-probabilities may differ: kernels for other batch sizes round otherwise, up to 0.25 on this model."""


class Recorder:
    """A listener that keeps what it hears."""

    def __init__(self) -> None:
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()

    def __call__(self, event: Event) -> None:
        self.events.put(event)

    def first(self) -> Event:
        """The next event, for which at most a minute is waited."""
        return self.events.get(timeout=60)

    def last(self) -> Finished | Failed:
        """The event that ends the request."""
        while not isinstance(event := self.first(), Finished | Failed):
            pass
        return event


def _request(expert: Expert, question: str, max_tokens: int = 12, **more: object) -> GenerationRequest:
    tokens = expert.chat_prompt([{"role": "user", "content": question}])
    options = {"temperature": 0.0, "repeat_penalty": 1.0} | more
    return expert.request(tokens, max_tokens=max_tokens, **options)  # type: ignore[arg-type]


def _answer(engine: Engine, request: GenerationRequest) -> tuple[str, Finished]:
    events = list(engine.generate(request))
    assert isinstance(events[-1], Finished), events[-1]
    return "".join(event.text for event in events if isinstance(event, Piece)), events[-1]


def _generated(engine: Engine, request: GenerationRequest) -> list[int]:
    return [event.score.token for event in engine.generate(request) if isinstance(event, Piece) and event.score]


@pytest.fixture
def engine(expert: Expert) -> Iterator[Engine]:
    """A second, smaller engine on the same model: one slot, a queue of one."""
    engine = Engine(expert.model, slots=1, context=256, queue_limit=1, threads=2)
    yield engine
    engine.close()


def test_greedy_answers_are_the_same_twice(expert: Expert, engine: Engine) -> None:
    first = _answer(engine, _request(expert, QUESTIONS[0]))
    _answer(engine, _request(expert, QUESTIONS[1]))
    second = _answer(engine, _request(expert, QUESTIONS[0]))
    assert first[0] == second[0] != ""
    assert first[1].completion_tokens == second[1].completion_tokens <= 12


def test_answers_made_together_are_each_the_greedy_one(expert: Expert) -> None:
    requests = [_request(expert, question, logprobs=0) for question in QUESTIONS]
    answers: dict[int, list[int]] = {}
    threads = [
        threading.Thread(target=lambda i=i, r=r: answers.update({i: _generated(expert.engine, r)}))
        for i, r in enumerate(requests)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, request in enumerate(requests):
        tokens = request.tokens + tuple(answers[index])
        check = expert.request(tokens, max_tokens=0, logprobs=1, score_prompt=True)
        scores = [s for event in expert.engine.generate(check) if isinstance(event, PromptScored) for s in event.scores]
        assert [score.token for score in scores] == list(tokens)
        for score in scores[len(request.tokens) :]:
            assert score.logprob is not None
            assert score.logprob > score.top[0][1] - NOISE


def test_a_kept_prefix_changes_nothing(expert: Expert, engine: Engine) -> None:
    question = [{"role": "user", "content": QUESTIONS[0]}]
    text, _ = _answer(engine, _request(expert, QUESTIONS[0]))
    talk = [*question, {"role": "assistant", "content": text}, {"role": "user", "content": "Shorter, please."}]
    request = expert.request(expert.chat_prompt(talk), max_tokens=16, temperature=0, repeat_penalty=1, logprobs=1)
    kept = list(engine.generate(request))
    last = kept[-1]
    assert isinstance(last, Finished)
    assert last.timings.cache_n > len(expert.chat_prompt(question))
    assert last.timings.cache_n + last.timings.prompt_n == last.prompt_tokens
    for event in kept:
        if isinstance(event, Piece) and event.score:
            assert event.score.logprob == event.score.top[0][1]
    _answer(engine, _request(expert, QUESTIONS[2]))  # takes the memory over
    scores = [event.score for event in kept if isinstance(event, Piece) and event.score]
    fresh = expert.request(
        request.tokens + tuple(score.token for score in scores), max_tokens=0, logprobs=1, score_prompt=True
    )
    again = [s for event in engine.generate(fresh) if isinstance(event, PromptScored) for s in event.scores]
    for before, after in zip(scores, again[len(request.tokens) :], strict=True):
        assert before.logprob == pytest.approx(after.logprob, abs=NOISE)


def test_equal_seeds_give_equal_answers(expert: Expert, engine: Engine) -> None:
    def ask(seed: int) -> str:
        return _answer(engine, _request(expert, QUESTIONS[3], temperature=1.5, seed=seed))[0]

    assert ask(7) == ask(7)
    assert len({ask(seed) for seed in range(4)}) > 1


def test_the_repetition_penalty_sees_the_prompt(expert: Expert, engine: Engine) -> None:
    prompt = expert.text_prompt("cat dog cat dog cat dog cat dog cat dog cat")
    free = expert.request(prompt, max_tokens=1, temperature=0, repeat_penalty=1, logprobs=0)
    penalised = expert.request(prompt, max_tokens=1, temperature=0, repeat_penalty=10, logprobs=0)
    assert _generated(engine, free)[0] in prompt
    assert _generated(engine, penalised)[0] not in prompt


def test_stop_strings_end_the_answer(expert: Expert, engine: Engine) -> None:
    whole, _ = _answer(engine, _request(expert, QUESTIONS[0]))
    stop = whole[8:14]
    text, finished = _answer(engine, _request(expert, QUESTIONS[0], stop=[stop]))
    assert text == whole[: whole.index(stop)]
    assert finished.reason == "stop"
    assert finished.completion_tokens < 12


def test_answers_end_at_max_tokens_and_at_the_context(expert: Expert, engine: Engine) -> None:
    _, finished = _answer(engine, _request(expert, QUESTIONS[0], max_tokens=3))
    assert (finished.reason, finished.completion_tokens) == ("length", 3)
    tokens = expert.text_prompt("word " * 250)
    assert 250 <= len(tokens) < 256
    _, finished = _answer(engine, expert.request(tokens, max_tokens=100, temperature=0))
    assert finished.prompt_tokens + finished.completion_tokens == 256


def test_prompts_that_cannot_be_answered_are_refused(expert: Expert, engine: Engine) -> None:
    with pytest.raises(ContextExceeded, match="has 256 tokens"):
        engine.submit(expert.request((1,) * 256), Recorder())
    with pytest.raises(InvalidRequest, match="no tokens"):
        engine.submit(expert.request(()), Recorder())
    with pytest.raises(InvalidRequest, match="isn't one of the model's"):
        engine.submit(expert.request((expert.model.n_vocab,)), Recorder())


def _occupy(expert: Expert, engine: Engine) -> tuple[Ticket, Recorder]:
    """Start an answer that takes the only slot for long; returns once it has begun."""
    recorder = Recorder()
    ticket = engine.submit(_request(expert, "Count to a thousand.", max_tokens=220, temperature=2.0, seed=1), recorder)
    assert isinstance(recorder.first(), Piece)
    return ticket, recorder


def test_a_full_queue_refuses_at_once_and_cancelling_frees_the_slot(expert: Expert, engine: Engine) -> None:
    ticket, running = _occupy(expert, engine)
    waiting = Recorder()
    engine.submit(_request(expert, QUESTIONS[0], max_tokens=1), waiting)
    with pytest.raises(QueueFull) as refused:
        engine.submit(_request(expert, QUESTIONS[1]), Recorder())
    assert refused.value.retry_after >= 1
    load = engine.load()
    assert (load.busy, load.waiting) == (1, 1)
    ticket.cancel()
    assert isinstance(running.last(), Failed)
    assert isinstance(waiting.last(), Finished)
    assert engine.load().busy == 0


def test_what_is_answered_instead_of_another_comes_before_all_that_wait(expert: Expert, engine: Engine) -> None:
    ticket, running = _occupy(expert, engine)
    waiting, instead, heard = Recorder(), Recorder(), list[str]()
    cancelled = engine.stats().cancelled
    engine.submit(_request(expert, QUESTIONS[0], max_tokens=1), lambda event: (heard.append("waiting"), waiting(event)))
    longer = replace(ticket.request, tokens=(*ticket.request.tokens, 1), max_tokens=2)
    # Where the queue is full, too, for it is not one more.
    engine.submit(longer, lambda event: (heard.append("instead"), instead(event)), instead_of=ticket)
    assert isinstance(running.last(), Finished) and isinstance(waiting.last(), Finished)
    end = instead.last()
    assert isinstance(end, Finished) and end.timings.cache_n == len(ticket.request.tokens)
    assert heard.index("waiting") > heard.index("instead")
    assert engine.stats().cancelled == cancelled
    engine.close()
    with pytest.raises(EngineStopped):
        engine.submit(longer, Recorder(), instead_of=ticket)


def test_an_answer_that_has_ended_holds_no_memory_of_llama_cpps(expert: Expert, engine: Engine) -> None:
    recorders = [Recorder(), Recorder()]
    tickets = [engine.submit(_request(expert, "Count to ten.", 20), recorder) for recorder in recorders]
    samplers = [weakref.ref(ticket.sampler) for ticket in tickets if ticket.sampler is not None]
    tickets[1].cancel()
    for recorder in recorders:
        recorder.last()
    assert [sampler() for sampler in samplers] == [None, None]


def test_cancelling_is_done_within_one_step(expert: Expert, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    ticket, recorder = _occupy(expert, engine)
    steps = []
    compute = Context.compute
    monkeypatch.setattr(Context, "compute", lambda self: (steps.append(1), compute(self)))
    ticket.cancel()
    before = len(steps)
    assert isinstance(recorder.last(), Failed)
    assert len(steps) - before <= 1


def test_a_waiting_request_can_be_cancelled(expert: Expert, engine: Engine) -> None:
    ticket, running = _occupy(expert, engine)
    waiting = Recorder()
    engine.submit(_request(expert, QUESTIONS[0]), waiting).cancel()
    assert isinstance(waiting.last(), Failed)
    ticket.cancel()
    running.last()


def test_a_failing_step_fails_its_requests_and_no_others(
    expert: Expert, engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    expected, _ = _answer(engine, _request(expert, QUESTIONS[0]))
    with monkeypatch.context() as patch:
        patch.setattr("appliance.engine.context.native.llama_decode", lambda *_: -3)
        failed = list(engine.generate(_request(expert, QUESTIONS[0])))[-1]
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, EngineFailed)
    assert "status -3" in str(failed.error)
    assert "a step of the engine failed" in caplog.text
    assert _answer(engine, _request(expert, QUESTIONS[0]))[0] == expected


def test_a_listener_that_fails_costs_only_its_own_answer(expert: Expert, engine: Engine) -> None:
    called = threading.Event()

    def fail(_event: Event) -> None:
        called.set()
        raise RuntimeError("gone")

    engine.submit(_request(expert, QUESTIONS[0], max_tokens=200), fail)
    assert called.wait(60)
    assert _answer(engine, _request(expert, QUESTIONS[1], max_tokens=2))[1].completion_tokens == 2


def test_stopping_drains_or_cancels(expert: Expert) -> None:
    def stop(drain: float, max_tokens: int) -> Finished | Failed:
        engine = Engine(expert.model, slots=1, context=256, queue_limit=1, threads=2)
        recorder = Recorder()
        engine.submit(_request(expert, QUESTIONS[0], max_tokens=max_tokens), recorder)
        engine.close(drain)
        with pytest.raises(EngineStopped):
            engine.submit(_request(expert, QUESTIONS[0]), Recorder())
        return recorder.last()

    assert isinstance(stop(drain=60, max_tokens=4), Finished)
    assert isinstance(stop(drain=0, max_tokens=200), Failed)


def test_memory_that_is_not_there_is_one_line(expert: Expert, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.engine.context.native.llama_init_from_model", lambda *_: None)
    with pytest.raises(ServerError, match=r"lower appliance\.memory") as error:
        Engine(expert.model, slots=2, context=256, queue_limit=1, threads=1)
    assert "\n" not in str(error.value)
