import threading

import httpx
import pytest

from bundle.errors import EvaluationError
from evaluation import connection as room
from evaluation.candidate import Candidate
from evaluation.endpoint import Endpoint

SAMPLING = {"temperature": 0.3, "max_tokens": 512}
PROMPT = "<|im_start|>user\nHow?<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    monkeypatch.setattr(room, "PAUSE", 0)


@pytest.fixture
def client(endpoint):
    with Endpoint(Candidate("tuned", endpoint.url + "/v1/", "pocket"), 2) as client:
        yield client


def the_line(call, *arguments):
    with pytest.raises(EvaluationError) as caught:
        call(*arguments)
    line = str(caught.value)
    assert "\n" not in line and "\x1b" not in line and len(line) < 600
    return line


def test_an_answer_and_what_was_asked(endpoint, client, replies):
    endpoint.chat = lambda body: replies[0]("Like so.", "length", 7)
    answer = client.answer("How?", SAMPLING, seed=11)
    assert (answer.text, answer.finish_reason, answer.tokens) == ("Like so.", "length", 7)
    path, headers, body = endpoint.requests[0]
    assert path == "/v1/chat/completions" and headers["cache-control"] == "no-store"
    assert body == {
        "model": "pocket",
        "messages": [{"role": "user", "content": "How?"}],
        "stream": False,
        "cache": False,
        "seed": 11,
        **SAMPLING,
    }


def test_a_candidate_can_be_asked_to_read_documentation(endpoint, replies):
    endpoint.chat = lambda body: replies[0]("Like so.", "stop", 7)
    with Endpoint(Candidate("tuned reading", endpoint.url, "pocket", grounding=True, repair=True), 1) as client:
        client.answer("How?", SAMPLING, seed=11)
    assert endpoint.requests[0][2]["grounding"] is True
    assert endpoint.requests[0][2]["check"] == "repair"


def test_the_loss_counts_the_answers_tokens_and_no_others(endpoint, client, replies):
    values = {"Call ": -1.0, "it.": -2.0, "<|im_end|>": -0.25}
    endpoint.score = lambda body: replies[1](body, lambda token: values.get(token, -99.0))
    first, second = client.losses([(PROMPT, "Call it.<|im_end|>"), (PROMPT, "Call <|im_end|>")])
    assert (first.total, first.tokens) == (3.25, 3)
    assert (second.total, second.tokens) == (1.25, 2)
    body = endpoint.bodies("/v1/completions")[0]
    assert body["prompt"] == [PROMPT + "Call it.<|im_end|>", PROMPT + "Call <|im_end|>"]
    assert (body["echo"], body["logprobs"], body["max_tokens"], body["cache"]) == (True, 1, 0, False)


def test_a_dropped_connection_and_a_busy_server_are_tried_again(endpoint, client, replies):
    script = [None, (503, {"error": {"message": "busy"}}), replies[0]("at last")]
    endpoint.chat = lambda body: script.pop(0)
    assert client.answer("How?", SAMPLING, 0).text == "at last"
    assert len(endpoint.requests) == 3


def test_tries_are_bounded(endpoint, client):
    endpoint.chat = lambda body: None
    line = the_line(client.answer, "How?", SAMPLING, 0)
    assert len(endpoint.requests) == room.TRIES
    assert "tuned" in line and endpoint.url in line


def test_an_unreachable_endpoint_is_one_line(endpoint):
    endpoint.server.server_close()
    with Endpoint(Candidate("tuned", endpoint.url, "pocket"), 1) as client:
        line = the_line(client.answer, "How?", SAMPLING, 0)
    assert f"candidate tuned at {endpoint.url}: nothing answers there" in line


@pytest.mark.parametrize("url", ["", "pocket", "ftp://host/", "http://", "http://host:port", "/tmp/x"])
def test_what_is_no_url_is_one_line(url):
    assert "candidate tuned" in the_line(Endpoint, Candidate("tuned", url, "pocket"), 1)


def test_a_slow_endpoint_is_one_line_and_not_asked_again(endpoint, monkeypatch):
    monkeypatch.setattr(room, "TIMEOUT", httpx.Timeout(5, read=0.05))
    given_up = threading.Event()
    endpoint.chat = lambda body: given_up.wait(10) and None
    with Endpoint(Candidate("tuned", endpoint.url, "pocket"), 1) as client:
        assert "took over" in the_line(client.answer, "How?", SAMPLING, 0)
    given_up.set()
    assert len(endpoint.requests) == 1


def test_a_refusal_tells_the_servers_reason_safely(endpoint, client):
    endpoint.chat = lambda body: (404, {"error": {"message": "no model\n\x1b[31mpocket", "type": "x", "code": None}})
    line = the_line(client.answer, "How?", SAMPLING, 0)
    assert "404" in line and "no model" in line and "pocket" in line
    endpoint.chat = lambda body: (500, b"<html>\xff" + b"x" * 10_000)
    assert "500 (<html>" in the_line(client.answer, "How?", SAMPLING, 0)
    assert len(endpoint.requests) == 2


def test_a_cached_answer_is_refused(endpoint, client, replies):
    endpoint.chat = lambda body: replies[0]("old", cached=True)
    assert "cache" in the_line(client.answer, "How?", SAMPLING, 0)


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"not JSON",
        b"[]",
        {"choices": [], "usage": {"completion_tokens": 1}},
        {"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]},
        {"choices": [{"message": {"content": 5}, "finish_reason": "stop"}], "usage": {"completion_tokens": 1}},
        {"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}], "usage": {"completion_tokens": -1}},
        b'{"choices": [{"message": {"content": "\\ud800"}, "finish_reason": "stop"}], '
        b'"usage": {"completion_tokens": 1}}',
        b"[" * 100_000,
    ],
)
def test_a_malformed_answer_is_one_line(endpoint, client, reply):
    endpoint.chat = lambda body: reply
    assert "can't be used" in the_line(client.answer, "How?", SAMPLING, 0)


def test_a_reply_without_bound_is_refused(endpoint, client, monkeypatch, replies):
    monkeypatch.setattr(room, "MAX_REPLY", 1000)
    endpoint.chat = lambda body: replies[0]("x" * 1000)
    assert "more than 1,000 bytes" in the_line(client.answer, "How?", SAMPLING, 0)


def _spoil(**changes):
    def spoil(reply):
        choice = reply["choices"][0]
        for key, change in changes.items():
            holder = choice if key in choice else choice["logprobs"]
            holder[key] = change(holder[key])

    return spoil


@pytest.mark.parametrize(
    "spoil",
    [
        lambda reply: reply["choices"].pop(),
        lambda reply: reply.pop("choices"),
        _spoil(index=lambda index: index + 1),
        _spoil(text=lambda text: text[1:]),
        _spoil(logprobs=lambda _: None),
        _spoil(text_offset=lambda offsets: offsets[:-1]),
        _spoil(text_offset=lambda offsets: offsets[::-1]),
        _spoil(text_offset=lambda offsets: [0] * len(offsets)),
        _spoil(text_offset=lambda offsets: [10 * offset for offset in offsets]),
        _spoil(token_logprobs=lambda values: [*values[:-1], None]),
        _spoil(token_logprobs=lambda values: [*values[:-1], float("nan")]),
        _spoil(token_logprobs=lambda values: [*values[:-1], float("-inf")]),
        _spoil(token_logprobs=lambda values: [*values[:-1], 2.0]),
    ],
)
def test_a_malformed_score_is_one_line(endpoint, client, replies, spoil):
    def score(body):
        reply = replies[1](body, lambda token: -0.5)
        spoil(reply)
        return reply

    endpoint.score = score
    assert "can't be used" in the_line(client.losses, [(PROMPT, "Call it.<|im_end|>")] * 2)
