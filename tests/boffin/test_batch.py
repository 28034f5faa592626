"""`boffin batch` against a stand-in server, and `boffin keys`."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from boffin.batch import read_questions
from boffin.cli import app
from bundle.errors import DatasetError, ServerError


class _Server(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[Any] = []
        self.busy = 0
        """How often it has no room yet."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._reply(200, {"status": "ok", "slots": 2})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.busy:
            self.server.busy -= 1
            self._reply(503, {"error": {"message": "full"}})
            return
        self.server.asked.append(body)
        text = body["prompt"] if "prompt" in body else body["messages"][-1]["content"]
        if text == "refuse":
            self._reply(400, {"error": {"message": "no"}})
            return
        said = {"text": f"on {text}"} if "prompt" in body else {"message": {"content": f"to {text}"}}
        choices = [{"finish_reason": "stop", **said}] * body.get("n", 1)
        self._reply(200, {"choices": choices, "usage": {"completion_tokens": 3}, "cached": False})

    def _reply(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def standin() -> Iterator[_Server]:
    """A server that answers at once."""
    with _Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def _run(standin: _Server, questions: Path, out: Path) -> Any:
    url = f"http://127.0.0.1:{standin.server_address[1]}"
    return CliRunner().invoke(app, ["batch", str(questions), "-o", str(out), "--url", url])


def _read(out: Path) -> dict[int, Any]:
    return {answer["line"]: answer for answer in map(json.loads, out.read_text().splitlines())}


def test_every_question_is_answered_once(standin: _Server, tmp_path: Path) -> None:
    questions, out = tmp_path / "questions.jsonl", tmp_path / "answers.jsonl"
    lines = [
        "a",
        {"question": "b", "id": "mine", "max_tokens": 5},
        {"messages": [{"role": "user", "content": "c"}], "n": 2},
        {"prompt": "d"},
    ]
    questions.write_text("".join(json.dumps(line) + "\n\n" for line in lines))
    standin.busy = 2
    result = _run(standin, questions, out)
    assert result.exit_code == 0, result.output
    assert "4 of 4 answered" in result.stderr
    assert "tokens/s" in result.stderr
    answers = _read(out)
    assert [answers[line]["answer"] for line in (1, 3, 7)] == ["to a", "to b", "on d"]
    assert answers[3]["id"] == "mine"
    assert [choice["answer"] for choice in answers[5]["choices"]] == ["to c", "to c"]
    assert [body["max_tokens"] for body in standin.asked if "max_tokens" in body] == [5]
    assert _run(standin, questions, out).exit_code == 0
    assert len(standin.asked) == 4


def test_a_run_that_was_killed_goes_on_and_what_changed_is_asked_again(standin: _Server, tmp_path: Path) -> None:
    questions, out = tmp_path / "questions.jsonl", tmp_path / "answers.jsonl"
    questions.write_text('"a"\n"b"\n"c"\n')
    assert _run(standin, questions, out).exit_code == 0
    text = out.read_text()
    out.write_text(text[:-20])  # killed while it wrote
    questions.write_text('"a"\n"changed"\n"c"\n')
    assert _run(standin, questions, out).exit_code == 0
    answers = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(standin.asked) in (4, 5)
    assert {"to a", "to changed", "to c"} <= {answer["answer"] for answer in answers}


def test_refusals_are_noted_and_asked_again(standin: _Server, tmp_path: Path) -> None:
    questions, out = tmp_path / "questions.jsonl", tmp_path / "answers.jsonl"
    questions.write_text('"a"\n"refuse"\n')
    for _ in range(2):
        result = _run(standin, questions, out)
        assert isinstance(result.exception, ServerError)
        assert "1 of" in str(result.exception)
    assert _read(out)[2]["error"] == "no"
    assert [body["messages"][0]["content"] for body in standin.asked].count("a") == 1


def test_a_server_that_breaks_off_is_one_line(
    standin: _Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions = tmp_path / "questions.jsonl"
    questions.write_text('"a"\n')
    monkeypatch.setattr(_Handler, "do_POST", lambda handler: handler.connection.shutdown(2))
    result = _run(standin, questions, tmp_path / "answers.jsonl")
    assert isinstance(result.exception, ServerError)
    assert "run it again" in str(result.exception)


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"question": "a", "prompt": "b"}', "5"])
def test_what_is_no_question_is_named_by_its_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_text(f'"a"\n{line}\n')
    with pytest.raises(DatasetError, match=r"questions\.jsonl:2: not"):
        list(read_questions(path))


def test_keys_are_made_listed_and_revoked(tmp_path: Path) -> None:
    file = ["--file", str(tmp_path / "keys.json")]
    run = CliRunner()
    made = run.invoke(app, ["keys", "add", "alice", "--rate", "60", *file])
    assert made.stdout.startswith("boffin-")
    listed = run.invoke(app, ["keys", "list", *file])
    assert "alice" in listed.stdout
    assert "60 a minute" in listed.stdout
    assert made.stdout.strip() not in listed.stdout
    assert run.invoke(app, ["keys", "revoke", "alice", *file]).exit_code == 0
    assert run.invoke(app, ["keys", "list", *file]).stdout == ""
