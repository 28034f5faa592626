"""The endpoint as clients see it: a real server in its own process, and OpenAI's own client."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise

import httpx
import openai
import pytest

from appliance.client import Health
from appliance.engine.expert import Expert

QUESTION = [{"role": "user", "content": "What is a Python list?"}]
GREEDY = {"temperature": 0.0, "max_tokens": 12, "extra_body": {"cache": False}}
LONG = {"messages": QUESTION, "max_tokens": 400, "temperature": 2.0, "stream": True, "cache": False}

Wait = Callable[[Callable[[Health], bool]], Health]


@pytest.fixture
def client(server: str) -> Iterator[openai.OpenAI]:
    """OpenAI's client, which waits and tries again by default; here it shall not."""
    with openai.OpenAI(base_url=f"{server}/v1", api_key="none", max_retries=0) as client:
        yield client


def _error(response: httpx.Response) -> dict[str, object]:
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert "\n" not in error["message"]
    return dict(error)


def test_openais_client_gets_the_same_answer_whole_and_as_a_stream(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="pocket", messages=QUESTION, **GREEDY)
    assert whole.choices[0].finish_reason == "length"
    assert whole.usage is not None
    assert whole.usage.completion_tokens == 12
    stream = client.chat.completions.create(
        model="pocket", messages=QUESTION, stream=True, stream_options={"include_usage": True}, **GREEDY
    )
    chunks = list(stream)
    deltas = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(deltas) == whole.choices[0].message.content
    assert len([delta for delta in deltas if delta]) > 5
    assert chunks[-2].choices[0].finish_reason == "length"
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_openais_client_lists_models_and_completes_text(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["pocket"]
    prompt = "The capital of France is"
    whole = client.completions.create(model="pocket", prompt=prompt, **GREEDY)
    stream = client.completions.create(model="pocket", prompt=prompt, stream=True, **GREEDY)
    assert "".join(chunk.choices[0].text for chunk in stream) == whole.choices[0].text != ""


def test_a_reply_tells_what_it_took(http: httpx.Client) -> None:
    reply = http.post("/v1/chat/completions", json={"messages": QUESTION, "max_tokens": 8, "cache": False}).json()
    timings, usage = reply["timings"], reply["usage"]
    assert timings["cache_n"] + timings["prompt_n"] == usage["prompt_tokens"]
    assert timings["predicted_n"] == usage["completion_tokens"] == 8
    assert timings["predicted_per_second"] == pytest.approx(7 / timings["predicted_ms"] * 1000, rel=0.01)
    assert reply["cached"] is False


def test_stop_strings_are_not_part_of_the_answer(http: httpx.Client) -> None:
    body = {"messages": QUESTION, "temperature": 0, "max_tokens": 12, "cache": False}
    text = http.post("/v1/chat/completions", json=body).json()["choices"][0]["message"]["content"]
    stop = text[10:15]
    choice = http.post("/v1/chat/completions", json=body | {"stop": stop}).json()["choices"][0]
    assert choice == choice | {"finish_reason": "stop"}
    assert choice["message"]["content"] == text[: text.index(stop)]


def test_content_may_come_in_parts(http: httpx.Client) -> None:
    body = {"messages": QUESTION, "max_tokens": 4, "temperature": 0, "cache": False}
    parts = [{"type": "text", "text": "What is "}, {"type": "text", "text": "a Python list?"}]
    replies = [
        http.post("/v1/chat/completions", json=body | {"messages": [{"role": "user", "content": content}]}).json()
        for content in (QUESTION[0]["content"], parts)
    ]
    assert replies[0]["choices"] == replies[1]["choices"]


def _stream(http: httpx.Client, body: dict[str, object]) -> list[dict[str, object]]:
    lines = http.post("/v1/chat/completions", json=body | {"stream": True}).text.splitlines()
    data = [line.removeprefix("data: ") for line in lines if line]
    assert data[-1] == "[DONE]"
    return [json.loads(event) for event in data[:-1]]


def test_the_same_question_is_answered_from_the_cache_also_as_a_stream(http: httpx.Client) -> None:
    body = {"messages": [{"role": "user", "content": "Name a colour, once."}], "max_tokens": 8}
    first = http.post("/v1/chat/completions", json=body).json()
    assert first["cached"] is False
    again = http.post("/v1/chat/completions", json=body).json()
    assert again == first | {"cached": True, "id": again["id"], "created": again["created"]}
    chunks = _stream(http, body)
    text = "".join(choice["delta"].get("content", "") for chunk in chunks for choice in chunk["choices"])  # type: ignore[attr-defined]
    assert text == first["choices"][0]["message"]["content"]
    assert (chunks[-1]["cached"], chunks[-1]["usage"]) == (True, first["usage"])


def test_no_store_and_cache_false_pass_the_cache_by(http: httpx.Client) -> None:
    body = {"messages": [{"role": "user", "content": "Name a planet, once."}], "max_tokens": 2}
    silent = {"Cache-Control": "no-store"}
    for _ in range(2):
        assert http.post("/v1/chat/completions", json=body, headers=silent).json()["cached"] is False
        assert http.post("/v1/chat/completions", json=body | {"cache": False}).json()["cached"] is False
    assert http.post("/v1/chat/completions", json=body).json()["cached"] is False
    assert http.post("/v1/chat/completions", json=body).json()["cached"] is True
    assert http.post("/v1/chat/completions", json=body, headers=silent).json()["cached"] is False


def test_prompts_are_scored(http: httpx.Client, expert: Expert) -> None:
    prompt = "The capital of France is Paris, née Lutetia 😀."
    body = {"prompt": prompt, "max_tokens": 0, "echo": True, "logprobs": 2}
    choice = http.post("/v1/completions", json=body).json()["choices"][0]
    scored = choice["logprobs"]
    assert choice["text"] == prompt == "".join(scored["tokens"])
    assert len(scored["tokens"]) == len(expert.text_prompt(prompt))
    assert scored["token_logprobs"][0] is None
    assert scored["top_logprobs"][0] is None
    assert all(value < 0 for value in scored["token_logprobs"][1:])
    assert all(1 <= len(top) <= 2 for top in scored["top_logprobs"][1:])
    place = scored["tokens"].index(" Paris")
    assert max(scored["top_logprobs"][place], key=scored["top_logprobs"][place].get) == " Paris"
    assert [later - here for here, later in pairwise(scored["text_offset"])] == [len(t) for t in scored["tokens"][:-1]]


def test_answers_are_scored_with_their_prompt(http: httpx.Client) -> None:
    body = {"prompt": "The capital of France is", "max_tokens": 3, "echo": True, "logprobs": 1, "temperature": 0}
    reply = http.post("/v1/completions", json=body | {"repeat_penalty": 1}).json()
    choice = reply["choices"][0]
    assert len(choice["logprobs"]["tokens"]) == reply["usage"]["total_tokens"]
    assert "".join(choice["logprobs"]["tokens"]) == choice["text"]
    for top, logprob in list(
        zip(choice["logprobs"]["top_logprobs"], choice["logprobs"]["token_logprobs"], strict=True)
    )[-3:]:
        assert math.isclose(max(top.values()), logprob)


def test_prompts_may_come_as_a_list_or_as_tokens(http: httpx.Client, expert: Expert) -> None:
    body = {"max_tokens": 4, "temperature": 0, "cache": False}
    texts = ["The capital of France is", "One, two, three,"]
    listed = http.post("/v1/completions", json=body | {"prompt": texts}).json()
    assert [choice["index"] for choice in listed["choices"]] == [0, 1]
    assert listed["usage"]["completion_tokens"] == 8
    tokens = list(expert.text_prompt(texts[1]))
    given = http.post("/v1/completions", json=body | {"prompt": tokens, "echo": True}).json()
    assert given["choices"][0]["text"] == texts[1] + listed["choices"][1]["text"]


def test_special_tokens_in_messages_stay_text(http: httpx.Client) -> None:
    def tokens(content: str) -> int:
        body = {"messages": [{"role": "user", "content": content}], "max_tokens": 1}
        return int(http.post("/v1/chat/completions", json=body).json()["usage"]["prompt_tokens"])

    assert tokens("a<|im_end|>") > tokens("a") + 3  # several tokens, where the control token would be one


CHAT, TEXT = "/v1/chat/completions", "/v1/completions"


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "said"),
    [
        (CHAT, {"model": "other", "messages": QUESTION}, 404, "model_not_found", "'pocket' is"),
        (TEXT, {"model": "other", "prompt": "x"}, 404, "model_not_found", "'pocket' is"),
        (CHAT, {}, 400, "invalid_request", "messages: Field required"),
        (CHAT, {"messages": []}, 400, "invalid_request", "messages: "),
        (CHAT, {"messages": [{"role": "tool", "content": "x"}]}, 400, "invalid_request", "messages.0.role: "),
        (CHAT, {"messages": [{"role": "user", "content": 5}]}, 400, "invalid_request", "messages.0.content: "),
        (CHAT, {"messages": [{"role": "user", "content": "\ud800"}]}, 400, "invalid_request", "half a character"),
        (CHAT, {"messages": QUESTION, "temperature": -1}, 400, "invalid_request", "temperature: "),
        (CHAT, {"messages": QUESTION, "max_tokens": 0}, 400, "invalid_request", "max_tokens: "),
        (CHAT, {"messages": QUESTION, "stop": ["x"] * 17}, 400, "invalid_request", "stop"),
        (
            CHAT,
            {"messages": QUESTION, "tools": [{"type": "function"}]},
            400,
            "invalid_request",
            "tools is not supported",
        ),
        (CHAT, {"messages": QUESTION, "n": 17}, 400, "invalid_request", "n: "),
        (CHAT, {"messages": QUESTION, "top_logprobs": 2}, 400, "invalid_request", "needs logprobs"),
        (CHAT, {"messages": QUESTION, "grammar": "root ::= ("}, 400, "invalid_request", "grammar can't be read"),
        (CHAT, {"messages": QUESTION, "model": "pocket:numpy"}, 404, "model_not_found", "'pocket' is"),
        (
            CHAT,
            {"messages": [{"role": "user", "content": "x " * 600}]},
            400,
            "context_length_exceeded",
            "context of 512",
        ),
        (TEXT, {"prompt": ""}, 400, "invalid_request", "no tokens"),
        (TEXT, {"prompt": [2**30]}, 400, "invalid_request", "isn't one of the model's"),
        (TEXT, {"prompt": "x", "max_tokens": 0}, 400, "invalid_request", "needs echo"),
    ],
)
def test_what_cannot_be_answered_is_refused_clearly(
    http: httpx.Client, path: str, body: dict[str, object], status: int, code: str, said: str
) -> None:
    response = http.post(path, content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert response.status_code == status, response.text
    error = _error(response)
    assert error["code"] == code
    assert said in str(error["message"])


def test_what_cannot_be_written_again_is_refused(http: httpx.Client) -> None:
    schema = b'{"input": "x", "text": {"format": {"type": "json_schema", "name": "n", "schema": {"const": %b}}}}'
    for value in (b"NaN", b'"\\ud800"'):
        response = http.post("/v1/responses", content=schema % value, headers={"Content-Type": "application/json"})
        assert response.status_code == 400, response.text
    body = b'{"input": "x", "metadata": {"a": "\\ud800"}}'
    response = http.post("/v1/responses", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b"\xff", b'{"messages": ' + b"[" * 100_000, b'{"seed": NaN}'])
def test_bodies_that_are_no_requests_are_refused(http: httpx.Client, body: bytes) -> None:
    response = http.post("/v1/chat/completions", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400, response.text
    _error(response)


def test_bodies_are_bounded_with_and_without_a_length(http: httpx.Client) -> None:
    piece = b" " * 1_000_000
    for content in (piece * 5, iter([piece] * 5)):
        response = http.post("/v1/chat/completions", content=content, headers={"Content-Type": "application/json"})
        assert response.status_code == 413
        assert _error(response)["code"] == "body_too_large"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example:80"}, 403),
        ({"Host": "["}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "localhost:1"}, 200),
        ({"Host": "[::1]:1", "Origin": "http://127.0.0.1:3000"}, 200),
    ],
)
def test_foreign_hosts_and_origins_are_refused(http: httpx.Client, headers: dict[str, str], status: int) -> None:
    response = http.get("/v1/models", headers=headers)
    assert response.status_code == status
    if status != 200:
        assert _error(response)["code"] == "foreign_host"


def test_health_tells_the_state(wait_for_health: Wait) -> None:
    health = wait_for_health(lambda health: health.slots_busy == 0)
    assert (health.status, health.model, health.quantisation, health.backend) == ("ok", "pocket", "Q8_0", "CPU")
    assert (health.slots, health.context, health.queue, health.queue_limit) == (4, 512, 0, 2)
    assert any(device.startswith("CPU: ") for device in health.devices)
    assert len(health.bundle) == 64


def test_a_full_queue_refuses_and_clients_that_leave_free_slots(http: httpx.Client, wait_for_health: Wait) -> None:
    wait_for_health(lambda health: health.slots_busy == 0)
    with ExitStack() as streams:

        def begin() -> None:
            response = streams.enter_context(http.stream("POST", "/v1/chat/completions", json=LONG))
            assert response.status_code == 200

        threads = [threading.Thread(target=begin) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wait_for_health(lambda health: (health.slots_busy, health.queue) == (4, 2))
        response = http.post("/v1/chat/completions", json=LONG)
        assert response.status_code == 503
        assert _error(response)["code"] == "queue_full"
        assert int(response.headers["Retry-After"]) >= 1
    wait_for_health(lambda health: (health.slots_busy, health.queue) == (0, 0))


def test_a_client_that_leaves_before_its_whole_answer_frees_its_slot(server: str, wait_for_health: Wait) -> None:
    wait_for_health(lambda health: health.slots_busy == 0)
    with httpx.Client(base_url=server, trust_env=False, timeout=0.5) as impatient, pytest.raises(httpx.ReadTimeout):
        impatient.post("/v1/chat/completions", json=LONG | {"stream": False})
    wait_for_health(lambda health: health.slots_busy == 0)
    reply = httpx.post(f"{server}/v1/chat/completions", json=LONG | {"stream": False, "max_tokens": 1}, timeout=60)
    assert reply.status_code == 200
