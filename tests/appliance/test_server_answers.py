"""What a request may ask of its answers: several, scored, as JSON, by a deadline, from an adapter."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from appliance.launch import LocalServer
from appliance.settings import ApplianceSettings

from .adapters import write_adapter

ASKED = [{"role": "user", "content": "Name a fruit."}]
CHAT = {"messages": ASKED, "max_tokens": 6, "temperature": 1.0, "cache": False}


def _post(http: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
    response = http.post(path, json=body)
    assert response.status_code == 200, response.text
    return dict(response.json())


def _chunks(http: httpx.Client, path: str, **body: Any) -> Iterator[dict[str, Any]]:
    response = http.post(path, json=body | {"stream": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    events = response.text.split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    for event in events[:-2]:
        yield json.loads(event.removeprefix("data: "))


def test_several_answers_differ_by_their_seeds_and_count_their_prompt_once(http: httpx.Client) -> None:
    one = _post(http, "/v1/chat/completions", **CHAT, seed=8)
    three = _post(http, "/v1/chat/completions", **CHAT, seed=7, n=3)
    texts = [choice["message"]["content"] for choice in three["choices"]]
    assert [choice["index"] for choice in three["choices"]] == [0, 1, 2]
    assert len(set(texts)) > 1
    assert texts[1] == one["choices"][0]["message"]["content"]
    assert three["usage"]["prompt_tokens"] == one["usage"]["prompt_tokens"]


def test_an_answer_that_was_cut_off_goes_on_from_its_last_letter(http: httpx.Client) -> None:
    question = [{"role": "user", "content": "Write a Python function that adds two numbers."}]
    greedy = {"temperature": 0, "repeat_penalty": 1, "cache": False}

    def said(**body: Any) -> tuple[str, int]:
        reply = _post(http, "/v1/chat/completions", **greedy, **body)
        return reply["choices"][0]["message"]["content"], reply["usage"]["prompt_tokens"]

    whole, prompt = said(messages=question, max_tokens=24)
    for length in (3, 10, 20):
        first, _ = said(messages=question, max_tokens=length)
        begun = [*question, {"role": "assistant", "content": first}]
        more, longer = said(messages=begun, max_tokens=2, continue_final_message=True)
        assert more and whole.startswith(first + more)
        assert longer == prompt + length, "nothing stands between the beginning and what is new"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"messages": ASKED}, "needs a last message of the assistant"),
        (
            {"messages": [*ASKED, {"role": "assistant", "content": "{"}], "response_format": {"type": "json_object"}},
            "response_format don't go together",
        ),
    ],
)
def test_what_cant_be_gone_on_with_is_refused(http: httpx.Client, body: dict[str, Any], said: str) -> None:
    response = http.post("/v1/chat/completions", json=body | {"continue_final_message": True})
    assert response.status_code == 400
    assert said in response.json()["error"]["message"]


def test_several_answers_without_a_seed_are_not_one_stored_answer(http: httpx.Client) -> None:
    body = CHAT | {"cache": True, "temperature": 2.0, "max_tokens": 12, "n": 4}
    for _ in range(2):
        reply = _post(http, "/v1/chat/completions", **body)
        assert reply["cached"] is False
        assert len({choice["message"]["content"] for choice in reply["choices"]}) > 1


def test_a_stream_carries_several_answers(http: httpx.Client) -> None:
    body = CHAT | {"seed": 7, "n": 3}
    whole = _post(http, "/v1/chat/completions", **body)
    texts, ends = ["", "", ""], {}
    chunks = list(_chunks(http, "/v1/chat/completions", **body, stream_options={"include_usage": True}))
    for chunk in chunks:
        for choice in chunk["choices"]:
            texts[choice["index"]] += choice["delta"].get("content", "")
            if choice["finish_reason"]:
                ends[choice["index"]] = choice["finish_reason"]
    assert texts == [choice["message"]["content"] for choice in whole["choices"]]
    assert ends == {choice["index"]: choice["finish_reason"] for choice in whole["choices"]}
    assert chunks[-1]["usage"] == whole["usage"]


def test_a_chats_tokens_are_scored_whole_and_in_a_stream(http: httpx.Client) -> None:
    body = CHAT | {"temperature": 0, "logprobs": True, "top_logprobs": 2}
    choice = _post(http, "/v1/chat/completions", **body)["choices"][0]
    content = choice["logprobs"]["content"]
    assert "".join(one["token"] for one in content) == choice["message"]["content"]
    for one in content:
        assert bytes(one["bytes"]).decode() == one["token"]
        assert len(one["top_logprobs"]) == 2
        assert one["logprob"] <= one["top_logprobs"][0]["logprob"] + 1e-6
    streamed = [
        one
        for chunk in _chunks(http, "/v1/chat/completions", **body)
        for part in chunk["choices"]
        for one in (part["logprobs"] or {"content": []})["content"]
    ]
    assert [one["token"] for one in streamed] == [one["token"] for one in content]
    assert all(math.isclose(a["logprob"], b["logprob"], abs_tol=0.05) for a, b in zip(streamed, content, strict=True))


def test_a_completions_stream_carries_prompts_and_their_scores(http: httpx.Client) -> None:
    body = {"prompt": ["One, two,", "Red, green,"], "max_tokens": 3, "temperature": 0, "cache": False}
    body |= {"logprobs": 1, "echo": True}
    whole = _post(http, "/v1/completions", **body)
    parts: list[dict[str, list[Any]]] = [{"text": [], "tokens": [], "text_offset": []} for _ in range(2)]
    for chunk in _chunks(http, "/v1/completions", **body):
        for choice in chunk["choices"]:
            parts[choice["index"]]["text"] += choice["text"]
            for name in ("tokens", "text_offset"):
                parts[choice["index"]][name] += choice["logprobs"][name]
    for part, choice in zip(parts, whole["choices"], strict=True):
        assert "".join(part["text"]) == choice["text"] == "".join(part["tokens"])
        assert part["text_offset"] == choice["logprobs"]["text_offset"]


def test_answers_are_json_where_that_is_wanted(http: httpx.Client) -> None:
    schema = {
        "type": "object",
        "properties": {"fruit": {"enum": ["apple", "pear"]}, "ripe": {"type": "boolean"}},
        "required": ["fruit", "ripe"],
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "fruit", "schema": schema, "strict": True}}
    body = CHAT | {"max_tokens": 300}  # a small model likes its blanks
    reply = _post(http, "/v1/chat/completions", **body, response_format=wanted)
    answer = json.loads(reply["choices"][0]["message"]["content"])
    assert answer["fruit"] in ("apple", "pear")
    assert isinstance(answer["ripe"], bool)
    reply = _post(http, "/v1/chat/completions", **body, response_format={"type": "json_object"})
    assert reply["choices"][0]["message"]["content"].lstrip().startswith("{")


def test_a_schema_that_cannot_be_held_to_is_refused_by_name(http: httpx.Client) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "integer", "minimum": 3}}}
    response = http.post("/v1/chat/completions", json=CHAT | {"response_format": wanted})
    assert response.status_code == 400
    assert '"minimum" is not supported' in response.json()["error"]["message"]


def test_a_grammar_is_obeyed(http: httpx.Client) -> None:
    reply = _post(http, "/v1/chat/completions", **CHAT, grammar='root ::= "kiwi"')
    assert reply["choices"][0]["message"]["content"] == "kiwi"


def test_an_answer_ends_at_its_deadline(http: httpx.Client) -> None:
    body = CHAT | {"max_tokens": 400, "temperature": 2.0, "deadline": 0.5}
    reply = _post(http, "/v1/chat/completions", **body)
    assert reply["choices"][0]["finish_reason"] in ("length", "stop")
    assert reply["usage"]["completion_tokens"] < 400


def test_an_adapter_answers_under_its_name(bundle: Path, settings: ApplianceSettings, tmp_path: Path) -> None:
    path = write_adapter(tmp_path / "loud.gguf", 5, {"blk.0.attn_q.weight": (576, 576)})
    body = CHAT | {"temperature": 0, "max_tokens": 12}
    with (
        LocalServer(bundle, settings.model_copy(update={"adapters": {"loud": path}}), tmp_path / "cache") as server,
        httpx.Client(base_url=server.url, timeout=120, trust_env=False) as http,
    ):
        assert [model["id"] for model in http.get("/v1/models").json()["data"]] == ["pocket", "pocket:loud"]
        replies = {name: _post(http, "/v1/chat/completions", **body, model=name) for name in ("pocket", "pocket:loud")}
        assert {name: reply["model"] for name, reply in replies.items()} == {name: name for name in replies}
        texts = [reply["choices"][0]["message"]["content"] for reply in replies.values()]
        assert texts[0] != texts[1]
        assert http.post("/v1/chat/completions", json=body | {"model": "pocket:other"}).status_code == 404
        ollama = http.post("/api/chat", json={"model": "pocket:loud", "messages": ASKED, "stream": False})
        assert ollama.json()["model"] == "pocket:loud"


def test_models_are_told_one_by_one(http: httpx.Client) -> None:
    assert _id(http.get("/v1/models/pocket")) == "pocket"
    assert http.get("/v1/models/other").status_code == 404


def _id(response: httpx.Response) -> str:
    return str(response.json()["id"])


def test_openais_client_parses_structured_answers(server: str) -> None:
    from pydantic import BaseModel

    class Fruit(BaseModel):
        name: str
        sweet: bool

    with openai.OpenAI(base_url=f"{server}/v1", api_key="none", max_retries=0) as client:
        reply = client.chat.completions.parse(
            model="pocket", messages=ASKED, response_format=Fruit, max_tokens=100, temperature=0, seed=1
        )
    assert isinstance(reply.choices[0].message.parsed, Fruit)


@pytest.mark.parametrize("field", ["tools", "functions"])
def test_tools_are_refused(http: httpx.Client, field: str) -> None:
    response = http.post("/v1/chat/completions", json=CHAT | {field: [{"type": "function", "function": {"name": "f"}}]})
    assert response.status_code == 400
    assert f"{field} is not supported" in response.json()["error"]["message"]
