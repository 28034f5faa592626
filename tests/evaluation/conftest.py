"""A scripted endpoint over real HTTP, a small dataset and a template; nothing here knows the evaluation's code."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bundle.records import Provenance, Record, write_records
from bundle.template import PromptTemplate
from symbols.introspect import walk_packages

Replies = Callable[[dict[str, Any]], Any]


def chat_reply(text: str, finish_reason: str = "stop", tokens: int = 10, **more: Any) -> dict[str, Any]:
    """A chat completion in OpenAI's shape."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    usage = {"prompt_tokens": 3, "completion_tokens": tokens, "total_tokens": 3 + tokens}
    return {"object": "chat.completion", "choices": [choice], "usage": usage, **more}


def score_reply(body: dict[str, Any], logprob: Callable[[str], float | None]) -> dict[str, Any]:
    """An echoed completion in OpenAI's shape; a token is a word with the white space after it, or `<|…|>`."""
    choices = []
    for index, text in enumerate(body["prompt"]):
        matches = list(re.finditer(r"<\|\w+\|>|[^\s<]+\s*|\s+|<", text))
        values = [None, *(logprob(match[0]) for match in matches[1:])]
        scores = {
            "tokens": [match[0] for match in matches],
            "token_logprobs": values,
            "top_logprobs": [None] * len(matches),
            "text_offset": [match.start() for match in matches],
        }
        choices.append({"index": index, "text": text, "logprobs": scores, "finish_reason": "length"})
    return {"object": "text_completion", "choices": choices[::-1]}  # the order is not to be relied on


class ScriptedEndpoint:
    """Answers as `chat` and `score` say; a reply is a JSON value, raw bytes, (status, value), or None to hang up."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.chat: Replies = lambda body: chat_reply("```python\nprint(1)\n```")
        self.score: Replies = lambda body: score_reply(body, lambda token: -0.5)
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                headers = {key.lower(): value for key, value in self.headers.items()}
                endpoint.requests.append((self.path, headers, body))
                reply = (endpoint.chat if self.path == "/v1/chat/completions" else endpoint.score)(body)
                if reply is None:
                    self.close_connection = True
                    return
                status, value = reply if isinstance(reply, tuple) else (200, reply)
                content = value if isinstance(value, bytes) else json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def bodies(self, path: str) -> list[dict[str, Any]]:
        """What was sent to a path."""
        return [body for sent, _, body in self.requests if sent == path]


@pytest.fixture
def make_endpoint() -> Iterator[Callable[[], ScriptedEndpoint]]:
    """Starts scripted endpoints and stops them after the test."""
    started: list[ScriptedEndpoint] = []

    def make() -> ScriptedEndpoint:
        endpoint = ScriptedEndpoint()
        threading.Thread(target=endpoint.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        started.append(endpoint)
        return endpoint

    yield make
    for endpoint in started:
        endpoint.server.shutdown()
        endpoint.server.server_close()


@pytest.fixture
def endpoint(make_endpoint: Callable[[], ScriptedEndpoint]) -> ScriptedEndpoint:
    """One scripted endpoint."""
    return make_endpoint()


@pytest.fixture
def replies() -> tuple[Callable[..., dict[str, Any]], Callable[..., dict[str, Any]]]:
    """The makers of chat and score replies."""
    return chat_reply, score_reply


@pytest.fixture
def template() -> PromptTemplate:
    """A template in ChatML."""
    source = (
        "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
        "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    return PromptTemplate(source=source, eos_token="<|im_end|>")


def a_record(number: int, output: str = "Call it like this.") -> Record:
    """A record about json.dumps that asks about a number."""
    provenance = Provenance(
        source="package", package="stdlib", version="3.11", symbol="json.dumps", kind="usage", licence="PSF-2.0"
    )
    return Record(instruction=f"How do I dump {number}?", output=output, provenance=provenance)


@pytest.fixture
def make_dataset(tmp_path: Path, symbol_table: Path) -> Callable[..., Path]:
    """Writes a dataset folder of so many held-out records."""

    def make(count: int, output: str = "Call it like this.") -> Path:
        folder = tmp_path / "dataset"
        folder.mkdir()
        write_records(folder / "eval.jsonl", [a_record(number, output) for number in range(count)])
        (folder / "symbols.json").write_bytes(symbol_table.read_bytes())
        return folder

    return make


@pytest.fixture(scope="session")
def symbol_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a real symbol table, of json alone."""
    walk = walk_packages(["json"])
    for _ in walk:
        pass
    path = tmp_path_factory.mktemp("symbols") / "symbols.json"
    walk.table.save(path)
    return path
