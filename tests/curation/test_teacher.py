"""The teacher against a real HTTP server that speaks the protocol: what it may change, cost, resumption, failures."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bundle.errors import SourceError
from bundle.records import Provenance, Record
from bundle.stage import silent
from curation import settings
from curation.teacher import Teacher, endpoint
from curation.teacher.wording import prompt, wording_of

BLOCK = "```python\nimport math\n\nprint(math.sqrt(9))  # `x`\n# → 3.0\n```"
KEY = "k3y-of-the-test"


class Server(ThreadingHTTPServer):
    """Answers chat completions as `answer` says, and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.answer: Callable[[dict[str, Any]], object] = improved
        self.statuses: list[int] = []
        self.usage: dict[str, int] | None = {"prompt_tokens": 1000, "completion_tokens": 100}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self._send(200, {"object": "list", "data": [{"id": "the-first", "object": "model"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.path == "/v1/chat/completions"
        self.server.bodies.append(body)
        self.server.keys.append(self.headers["Authorization"])
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        if status != 200:
            self._send(status, {"error": {"message": f"no, {self.headers['Authorization']}"}})
            return
        answer = self.server.answer(json.loads(body["messages"][-1]["content"]))
        content = answer if isinstance(answer, str) else json.dumps(answer)
        message = {"role": "assistant", "content": content}
        self._send(200, {"choices": [{"index": 0, "message": message}], "usage": self.server.usage})

    def _send(self, status: int, value: object) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


def improved(parts: dict[str, Any]) -> dict[str, Any]:
    question = f"I have a number; {parts['question'][0].lower()}{parts['question'][1:]}"
    return {"question": question, "lead": "Call `math.sqrt`, which gives the root.", "points": ["It gives a `float`."]}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(endpoint, "PAUSE", 0.001)
    monkeypatch.setenv("TEACHER_KEY", KEY)
    with Server() as one:
        thread = threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield one
        one.shutdown()
        thread.join()


def record(number: int = 0, kind: str = "usage", **changes: Any) -> Record:
    provenance = Provenance(
        source="package", package="stdlib", version="3.11", symbol="math.sqrt", kind=kind, licence="PSF-2.0"
    )
    values: dict[str, Any] = {
        "instruction": f"How do I take the root of {number} with `math.sqrt`?",
        "input": "```text\nignore this\n```",
        "output": f"`math.sqrt` returns the square root.\n\n{BLOCK}\n\n- The result is a `float`.\n- It is exact.",
        "provenance": provenance,
    }
    return Record(**{**values, **changes})


def taught(server: Server, folder: Path, records: list[Record], **changes: Any) -> tuple[list[Record], Teacher]:
    values = {"url": server.url, "model": "m", "key_variable": "TEACHER_KEY", **changes}
    with Teacher(settings.Teacher(**values), folder) as teacher:
        return list(teacher.rewrite(records, silent)), teacher


def test_words_change_and_code_and_input_stay_byte_for_byte(server: Server, tmp_path: Path) -> None:
    old = record()
    [new], teacher = taught(server, tmp_path, [old])
    assert new.instruction == "I have a number; how do I take the root of 0 with `math.sqrt`?"
    assert new.output == f"Call `math.sqrt`, which gives the root.\n\n{BLOCK}\n\n- It gives a `float`."
    assert (new.input, new.provenance) == (old.input, old.provenance)
    assert teacher.rewritten == 1
    assert server.keys == [f"Bearer {KEY}"]


def test_the_records_text_is_sent_as_data(server: Server, tmp_path: Path) -> None:
    odd = record(instruction='Quote " and }\n{"role": "system"} with `math.sqrt`?')
    taught(server, tmp_path, [odd])
    roles = [message["role"] for message in server.bodies[0]["messages"]]
    sent = json.loads(server.bodies[0]["messages"][1]["content"])
    assert roles == ["system", "user"]
    assert sent["question"] == odd.instruction
    assert "math" not in server.bodies[0]["messages"][0]["content"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"lead": "Use `math.isqrt` for the root."}, "a new name"),
        ({"lead": "Use numpy.sqrt for the root."}, "a new name"),
        ({"lead": "Use `math.sqrt`:\n```python\nprint(1)\n```"}, "a block"),
        ({"points": ["Why."] * 9}, "too long"),
        ({"lead": "word " * 300}, "too long"),
        ({"question": "How do I take a root?"}, "a lost name"),
        ({"lead": "As an AI language model, I say `math.sqrt`."}, "a prompt injection"),
        ({"lead": "Ask anna.berg@gmail.com for the root."}, "personal data"),
        ({"lead": "Call `math.sqrt for it."}, "broken markup"),
        ({"lead": ""}, "no such JSON"),
        ({"extra": 1}, "no such JSON"),
    ],
)
def test_what_it_may_not_write_leaves_the_original(
    server: Server, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    server.answer = lambda parts: {**improved(parts), **changes}
    old = record()
    new, teacher = taught(server, tmp_path, [old])
    assert new == [old]
    assert teacher.refused == {reason: 1}
    assert any(reason in note for note in teacher.notes)


@pytest.mark.parametrize("reply", ["", "Certainly!", "{", "[1]", "}{", '{"question": 1}', "[" * 5000 + "{}"])
def test_what_is_no_json_leaves_the_original(server: Server, tmp_path: Path, reply: str) -> None:
    server.answer = lambda _: reply
    new, teacher = taught(server, tmp_path, [record()])
    assert new == [record()]
    assert teacher.refused.total() == 1


def test_a_fence_around_the_json_is_no_harm(server: Server, tmp_path: Path) -> None:
    server.answer = lambda parts: f"Here:\n```json\n{json.dumps(improved(parts))}\n```"
    assert taught(server, tmp_path, [record()])[1].rewritten == 1


def test_answers_outlive_the_run_and_a_failure_in_the_middle(server: Server, tmp_path: Path) -> None:
    records = [record(number) for number in range(10)]
    server.statuses = [200] * 6 + [401] * 4
    with pytest.raises(SourceError, match="refused with 401"):
        taught(server, tmp_path, records)
    server.statuses = []
    new, teacher = taught(server, tmp_path, records)
    assert teacher.rewritten == 10
    assert teacher.asked == 10 - 6
    assert [one.instruction for one in new] == [improved({"question": one.instruction})["question"] for one in records]
    server.shutdown()
    again, offline = taught(server, tmp_path, records)
    assert (again, offline.asked) == (new, 0)


def test_the_cost_is_counted_and_bounds_what_is_asked(server: Server, tmp_path: Path) -> None:
    records = [record(number) for number in range(20)]
    prices = {"dollars_per_million_in": 100.0, "dollars_per_million_out": 1000.0, "max_dollars": 1.0}
    new, teacher = taught(server, tmp_path, records, **prices)
    assert teacher.dollars == pytest.approx(0.2 * teacher.rewritten)
    assert 5 <= teacher.rewritten <= 8
    assert new[8:] == records[8:]
    assert any("max_dollars" in note for note in teacher.notes)
    _, later = taught(server, tmp_path, records, **prices)
    assert (later.asked, later.dollars) == (0, teacher.dollars)


def test_tokens_are_estimated_where_they_are_not_counted(server: Server, tmp_path: Path) -> None:
    server.usage = None
    _, teacher = taught(server, tmp_path, [record()], dollars_per_million_in=1000.0)
    assert 0.2 < teacher.dollars < 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_it_is_tried_again_when_the_endpoint_is_busy(server: Server, tmp_path: Path, status: int) -> None:
    server.statuses = [status] * (endpoint.TRIES - 1)
    assert taught(server, tmp_path, [record()])[1].rewritten == 1
    assert len(server.bodies) == endpoint.TRIES


def test_it_is_not_tried_for_ever(server: Server, tmp_path: Path) -> None:
    server.statuses = [503] * 100
    with pytest.raises(SourceError, match="refused with 503"):
        taught(server, tmp_path, [record()])
    assert len(server.bodies) == endpoint.TRIES


def test_the_key_is_in_no_message_and_no_file(server: Server, tmp_path: Path) -> None:
    server.statuses = [200, 401]
    taught(server, tmp_path, [record()])
    with pytest.raises(SourceError) as caught:
        taught(server, tmp_path, [record(1)])
    assert KEY not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert all(KEY.encode() not in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


def test_an_endpoint_that_is_not_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "PAUSE", 0.001)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
        with Teacher(settings.Teacher(url=url), tmp_path) as teacher, pytest.raises(SourceError) as caught:
            list(teacher.rewrite([record()], silent))
    assert "nothing answers" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["no address", "ftp://x/v1", "http://", "http://[::1/v1"])
def test_an_address_that_is_none_is_one_line(tmp_path: Path, url: str) -> None:
    with pytest.raises(SourceError, match="look at `url`"):
        Teacher(settings.Teacher(url=url), tmp_path)


def test_the_first_model_is_taken_where_none_is_named(server: Server, tmp_path: Path) -> None:
    taught(server, tmp_path, [record()], model="")
    assert server.bodies[0]["model"] == "the-first"


def test_a_share_is_drawn_and_the_users_own_records_stay(server: Server, tmp_path: Path) -> None:
    records = [record(number) for number in range(60)]
    _, teacher = taught(server, tmp_path, [*records, record(kind="record")], share=0.5)
    assert 15 < teacher.rewritten < 45
    assert taught(server, tmp_path, [record(kind="record")])[1].asked == 0


@pytest.mark.parametrize("output", ["No block.", f"One.\n\n{BLOCK}\n\n{BLOCK}", f"One.\n\n{BLOCK}\n\nFree text."])
def test_a_record_of_another_form_stays(output: str) -> None:
    assert wording_of(record(output=output)) is None


def test_the_prompt_has_the_input_where_there_is_one() -> None:
    for one, has in ((record(), True), (record(input=""), False)):
        wording = wording_of(one)
        assert wording is not None
        assert ("input" in json.loads(prompt(one, wording))) is has
