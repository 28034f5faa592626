"""The other ways to ask: Ollama's API, OpenAI's responses, llama.cpp's tokens; and the numbers for Prometheus."""

from __future__ import annotations

import json
import re

import httpx
import openai
import pytest

ASKED = [{"role": "user", "content": "Name a fruit."}]
OPTIONS = {"temperature": 0, "num_predict": 8}


def test_ollamas_chat_and_generate_give_the_same_answer_whole_and_as_lines(http: httpx.Client) -> None:
    chat = {"model": "pocket:latest", "messages": ASKED, "options": OPTIONS}
    whole = http.post("/api/chat", json=chat | {"stream": False}).json()
    assert (whole["model"], whole["done"], whole["done_reason"]) == ("pocket:latest", True, "length")
    assert whole["eval_count"] == 8
    assert whole["total_duration"] > 0
    response = http.post("/api/chat", json=chat)
    assert response.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in response.text.splitlines()]
    assert "".join(line["message"]["content"] for line in lines) == whole["message"]["content"] != ""
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    generate = {"model": "pocket", "prompt": ASKED[0]["content"], "options": OPTIONS, "stream": False}
    assert http.post("/api/generate", json=generate).json()["response"] == whole["message"]["content"]
    raw = http.post("/api/generate", json=generate | {"raw": True}).json()
    assert raw["prompt_eval_count"] < whole["prompt_eval_count"]


def test_ollamas_format_and_loading(http: httpx.Client) -> None:
    schema = {"type": "object", "properties": {"ripe": {"type": "boolean"}}, "required": ["ripe"]}
    body = {"model": "pocket", "messages": ASKED, "stream": False, "options": {"num_predict": 30}}
    answer = http.post("/api/chat", json=body | {"format": schema}).json()["message"]["content"]
    assert set(json.loads(answer)) == {"ripe"}
    loaded = http.post("/api/generate", json={"model": "pocket"}).json()
    assert (loaded["done"], loaded["done_reason"], loaded["response"]) == (True, "load", "")


def test_ollama_lists_and_shows(http: httpx.Client) -> None:
    (model,) = http.get("/api/tags").json()["models"]
    assert (model["name"], model["details"]["quantization_level"]) == ("pocket", "Q8_0")
    assert model["size"] > 1_000_000
    shown = http.post("/api/show", json={"model": "pocket:latest"}).json()
    assert "num_ctx 512" in shown["parameters"]
    assert "<|im_start|>" in shown["template"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", http.get("/api/version").json()["version"])


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/api/chat", {"model": "other", "messages": ASKED}, 404, "'pocket' is"),
        ("/api/show", {"model": "other"}, 404, "'pocket' is"),
        ("/api/chat", {"model": "pocket", "messages": ASKED, "tools": [{}]}, 400, "tools is not supported"),
        ("/api/chat", {"model": "pocket", "messages": [{"role": "user", "images": ["x"]}]}, 400, "images is not"),
        ("/api/generate", {"model": "pocket", "prompt": "x", "options": {"mirostat": 1}}, 400, "mirostat is not"),
        ("/api/generate", {"model": "pocket", "prompt": "x " * 600}, 400, "context of 512"),
    ],
)
def test_ollamas_refusals_are_a_text(
    http: httpx.Client, path: str, body: dict[str, object], status: int, said: str
) -> None:
    response = http.post(path, json=body)
    assert response.status_code == status, response.text
    assert said in response.json()["error"]


def test_openais_client_gets_a_response_whole_and_as_events(server: str) -> None:
    with openai.OpenAI(base_url=f"{server}/v1", api_key="none", max_retries=0) as client:
        asked = {"model": "pocket", "input": ASKED[0]["content"], "temperature": 0, "max_output_tokens": 8}
        whole = client.responses.create(**asked)
        assert (whole.status, whole.usage.output_tokens) == ("incomplete", 8)
        events = list(client.responses.create(**asked, stream=True))
        kinds = [event.type for event in events]
        assert [event.sequence_number for event in events] == list(range(len(events)))
        assert events[-1].response.output_text == whole.output_text != ""
        assert "".join(event.delta for event in events if event.type.endswith("delta")) == whole.output_text
        assert kinds[:4] == [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
        ]
        assert kinds[-1] == "response.incomplete"


def test_a_response_takes_instructions_messages_and_a_schema(http: httpx.Client) -> None:
    schema = {"type": "object", "properties": {"ripe": {"type": "boolean"}}, "required": ["ripe"]}
    body = {
        "instructions": "You are a cook.",
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "Is it ripe?"}]}],
        "text": {"format": {"type": "json_schema", "name": "ripe", "schema": schema}},
        "metadata": {"a": "b"},
    }
    reply = http.post("/v1/responses", json=body).json()
    assert (reply["status"], reply["metadata"], reply["text"]["format"]["name"]) == ("completed", {"a": "b"}, "ripe")
    assert set(json.loads(reply["output"][0]["content"][0]["text"])) == {"ripe"}
    refused = http.post("/v1/responses", json=body | {"previous_response_id": "resp_1"})
    assert refused.status_code == 400
    assert "previous_response_id is not supported" in refused.json()["error"]["message"]


def test_tokens_and_template(http: httpx.Client) -> None:
    text = "Hello, née 😀<|im_end|>"
    tokens = http.post("/tokenize", json={"content": text}).json()["tokens"]
    assert http.post("/detokenize", json={"tokens": tokens}).json()["content"] == text
    plain = http.post("/tokenize", json={"content": text, "parse_special": False}).json()["tokens"]
    assert len(plain) > len(tokens)
    pieces = http.post("/tokenize", json={"content": text, "with_pieces": True}).json()["tokens"]
    assert [piece["id"] for piece in pieces] == tokens
    data = b"".join(bytes(one["piece"]) if isinstance(one["piece"], list) else one["piece"].encode() for one in pieces)
    assert data.decode() == text
    prompt = http.post("/apply-template", json={"messages": ASKED}).json()["prompt"]
    assert prompt.endswith("Name a fruit.<|im_end|>\n<|im_start|>assistant\n")
    assert http.post("/detokenize", json={"tokens": [2**30]}).status_code == 400


def test_a_forbidden_token_is_not_said(http: httpx.Client) -> None:
    body = {"prompt": "One, two,", "max_tokens": 1, "temperature": 0, "logprobs": 0}
    (first,) = http.post("/v1/completions", json=body).json()["choices"][0]["logprobs"]["tokens"]
    (token,) = http.post("/tokenize", json={"content": first}).json()["tokens"]
    (other,) = http.post("/v1/completions", json=body | {"logit_bias": {token: -100}}).json()["choices"][0]["logprobs"][
        "tokens"
    ]
    assert other != first


def test_props_tell_what_is_served(http: httpx.Client) -> None:
    props = http.get("/props").json()
    assert (props["total_slots"], props["default_generation_settings"]["n_ctx"]) == (4, 512)
    assert props["models"] == ["pocket"]
    assert "<|im_start|>" in props["chat_template"]


SAMPLE = re.compile(r'boffin_[a-z_]+(\{[a-z]+="[^"\n]*"(,[a-z]+="[^"\n]*")*\})? -?[0-9.e+-]+')


def test_prometheus_gets_its_numbers(http: httpx.Client) -> None:
    http.post("/v1/chat/completions", json={"messages": ASKED, "max_tokens": 3, "cache": False})
    response = http.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = response.text.splitlines()
    values = {}
    for line in lines:
        if not line.startswith("#"):
            assert SAMPLE.fullmatch(line), line
            name, _, value = line.rpartition(" ")
            assert name not in values
            values[name] = float(value)
    assert values['boffin_requests_total{outcome="finished"}'] >= 1
    assert values['boffin_http_requests_total{route="/v1/chat/completions",code="200"}'] >= 1
    assert values["boffin_slots"] == 4
    assert values["boffin_generated_tokens_total"] >= 3
    buckets = [value for name, value in values.items() if name.startswith("boffin_time_to_first_token_seconds_bucket")]
    assert buckets == sorted(buckets)
    assert buckets[-1] == values["boffin_time_to_first_token_seconds_count"] >= 1
    assert values['boffin_cache_bytes{cache="answers"}'] > 0
    typed = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(typed) == len(set(typed))
