"""What goes wrong around a server costs at most the request that it goes wrong for."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from appliance.settings import AnswerCache, ApplianceSettings, Limits, PrefixCache
from bundle.template import PromptTemplate

QUESTION = {"messages": [{"role": "user", "content": "Count to ten."}], "max_tokens": 8}
LONG = QUESTION | {"max_tokens": 400, "temperature": 2.0, "stream": True, "cache": False}


@contextmanager
def _serving(bundle: Path, folder: Path, **changes: Any) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """A server process that is ready, and a client of it."""
    settings = ApplianceSettings(context=512, gpu_layers="none", port=0, **changes)
    command = [sys.executable, "-P", "-m", "appliance.server", "--bundle", str(bundle), f"--cache-dir={folder}"]
    command.append(f"--settings={settings.model_dump_json()}")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert " at " in line, process.communicate()[1]
            with httpx.Client(base_url=line.split()[-1], timeout=120, trust_env=False) as client:
                while client.get("/health").status_code != 200:
                    assert process.poll() is None
                    time.sleep(0.02)
                yield process, client
        finally:
            process.kill()


def _answers(client: httpx.Client, **more: Any) -> dict[str, Any]:
    response = client.post("/v1/chat/completions", json=QUESTION | more)
    assert response.status_code == 200, response.text
    return dict(response.json())


def _until(holds: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_cache_that_vanishes_and_one_that_is_overwritten_cost_no_answer(bundle: Path, tmp_path: Path) -> None:
    with _serving(bundle, tmp_path / "cache") as (process, client):
        first = _answers(client, temperature=0)
        assert _answers(client, temperature=0)["cached"] is True
        for file in (tmp_path / "cache").rglob("*"):
            if file.is_file():
                file.write_bytes(b"\xff" * 5000)
        assert _answers(client, temperature=0)["choices"] == first["choices"]
        shutil.rmtree(tmp_path / "cache")
        for _ in range(3):
            assert _answers(client, temperature=0)["choices"] == first["choices"]
        assert client.get("/metrics").status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full disk to be had")
def test_a_full_disk_costs_no_answer(bundle: Path, tmp_path: Path) -> None:
    # The database's own files end on a device that is always full.
    for name in ("answers", "prefixes"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "cache.db").symlink_to("/dev/full")
    with _serving(bundle, tmp_path) as (_process, client):
        assert [_answers(client)["cached"] for _ in range(2)] == [False, False]


def test_a_folder_that_cannot_be_written_costs_no_answer(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with _serving(bundle, tmp_path / "file") as (_process, client):
        assert [_answers(client)["cached"] for _ in range(2)] == [False, False]


def test_a_stop_under_load_ends_within_its_grace_and_every_stream_is_told(bundle: Path, tmp_path: Path) -> None:
    with _serving(bundle, tmp_path, slots=2, limits=Limits(grace=1)) as (process, client):
        ends: list[str] = []

        def ask() -> None:
            body = LONG | {"grammar": 'root ::= "a"*'}  # never ends by itself
            with client.stream("POST", "/v1/chat/completions", json=body) as response:
                ends.append([line for line in response.iter_lines() if line][-1])

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        _until(lambda: client.get("/health").json()["queue"] == 2)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        took = time.monotonic() - began
        for thread in threads:
            thread.join()
        assert took < 15
        assert len(ends) == 4
        assert all("[DONE]" in end or "stopping" in end for end in ends), ends


def test_a_killed_server_starts_again_with_what_it_had(bundle: Path, tmp_path: Path) -> None:
    with _serving(bundle, tmp_path) as (process, client):
        first = _answers(client, temperature=0)
        with contextlib.suppress(httpx.HTTPError), client.stream("POST", "/v1/chat/completions", json=LONG) as response:
            next(response.iter_lines())
            process.kill()
    with _serving(bundle, tmp_path) as (_process, client):
        again = _answers(client, temperature=0)
        assert (again["cached"], again["choices"]) == (True, first["choices"])


def test_slow_and_silent_clients_are_sent_away_while_others_are_answered(bundle: Path, tmp_path: Path) -> None:
    with _serving(bundle, tmp_path, limits=Limits(patience=1.0)) as (_process, client):
        address = (client.base_url.host, client.base_url.port)
        head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        beginnings = [b"", b"GET / HT", head, head + b"Content-Length: 500\r\n\r\n{"]
        silent = [socket.create_connection(address) for _ in beginnings]
        for connection, beginning in zip(silent, beginnings, strict=True):
            connection.sendall(beginning)
        began = time.monotonic()
        assert _answers(client)["choices"]
        for connection in silent:
            connection.settimeout(20)
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(100) == b""
            connection.close()
        assert time.monotonic() - began >= 0.5


def test_heads_and_trailers_without_end_are_cut_off(bundle: Path, tmp_path: Path) -> None:
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    chunked = b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
    lines = b"".join(b"X-%d: %b\r\n" % (number, b"x" * 90) for number in range(5_000))
    with _serving(bundle, tmp_path, limits=Limits(patience=600)) as (_process, client):
        for sent in (head + lines, head + chunked + lines, head + b"X: " + b"x" * 500_000):
            address = (client.base_url.host, client.base_url.port)
            with (
                socket.create_connection(address, timeout=20) as connection,
                contextlib.suppress(ConnectionResetError, BrokenPipeError),
            ):
                connection.sendall(sent)
                assert connection.recv(12) in (b"HTTP/1.1 400", b"")
        assert _answers(client)["choices"]


def test_requests_that_come_at_once_are_answered_in_turn(bundle: Path, tmp_path: Path) -> None:
    asked = b"".join(b"GET %b HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % path for path in (b"/health", b"/nothing"))
    with _serving(bundle, tmp_path, limits=Limits(patience=1.0)) as (_process, client):
        address = (client.base_url.host, client.base_url.port)
        with socket.create_connection(address, timeout=20) as connection:
            connection.sendall(asked)
            got = b""
            while b"HTTP/1.1 404" not in got:  # the digits alone may stand in a digest of the first answer
                received = connection.recv(10_000)
                assert received, got
                got += received
            assert got.index(b"HTTP/1.1 200") < got.index(b"HTTP/1.1 404")
            connection.sendall(b"\r\n")  # an empty line begins no request, and doesn't keep the connection
            with contextlib.suppress(ConnectionResetError):
                while connection.recv(10_000):
                    pass


def test_a_reader_that_stops_reading_holds_up_nobody_and_is_cut_off(bundle: Path, tmp_path: Path) -> None:
    with _serving(bundle, tmp_path, slots=1, limits=Limits(patience=1.0)) as (_process, client):
        # More than the kernel's buffers take.
        body = json.dumps({"content": "a b " * 200_000, "with_pieces": True}).encode()
        lazy = socket.socket()
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.connect((client.base_url.host, client.base_url.port))
        lazy.sendall(
            b"POST /tokenize HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        assert lazy.recv(12) == b"HTTP/1.1 200"
        assert _answers(client)["choices"]
        time.sleep(1.5)  # while it reads nothing
        lazy.settimeout(20)
        received = 0
        with contextlib.suppress(ConnectionResetError):
            while data := lazy.recv(1_000_000):
                received += len(data)
        lazy.close()
        whole = len(client.post("/tokenize", content=body, headers={"Content-Type": "application/json"}).content)
        assert received < whole


def test_a_body_of_100_megabytes_is_refused_and_not_kept(bundle: Path, tmp_path: Path) -> None:
    with _serving(bundle, tmp_path) as (process, client):
        before = _resident(process.pid)
        piece = b" " * 1_000_000
        for content in (iter([piece] * 100), piece * 100):
            with contextlib.suppress(httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
                assert client.post("/v1/completions", content=content).status_code == 413
        assert _resident(process.pid) - before < 50_000_000
        assert _answers(client)["choices"]


def _resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_a_template_that_fails_is_a_refusal(sealed: Callable[..., Path], tmp_path: Path) -> None:
    template = PromptTemplate(
        source="{% if messages[0].content == 'x' %}{{ 1 / 0 }}{% endif %}{{ messages[0].content }}"
    )
    folder = sealed(template=template, template_digest=template.digest)
    with _serving(folder, tmp_path) as (_process, client):
        body = {"messages": [{"role": "user", "content": "x"}], "max_tokens": 1}
        response = client.post("/v1/chat/completions", json=body)
        assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_messages")
        assert client.post("/apply-template", json={"messages": body["messages"]}).status_code == 400
        assert _answers(client)["choices"]


def test_an_unsafe_template_does_not_get_out(sealed: Callable[..., Path], tmp_path: Path) -> None:
    source = "{{ messages.__class__.__mro__[1].__subclasses__() }}"
    template = PromptTemplate(source=source)
    folder = sealed(template=template, template_digest=template.digest)
    with _serving(folder, tmp_path) as (_process, client):
        response = client.post("/apply-template", json={"messages": QUESTION["messages"]})
        assert response.status_code == 400
        assert "subclasses" not in response.json().get("prompt", "")


def test_caches_may_be_off(bundle: Path, tmp_path: Path) -> None:
    off = {"cache": AnswerCache(enabled=False), "prefixes": PrefixCache(enabled=False)}
    with _serving(bundle, tmp_path, **off) as (_process, client):
        assert _answers(client)["cached"] is False
        assert "boffin_cache_bytes{" not in client.get("/metrics").text
    assert {file.name for file in tmp_path.iterdir()} <= {"checked.json"}, "no cache, but what was checked"


TEXTS = [
    "data: [DONE]",
    "\n\n",
    "event: error",
    '"}]}',
    "\r\n\r",
    "\\u0000",
    ": ping",
    "\t{",
    "😀 née \u2028\u2029\x85",
]


@pytest.mark.parametrize("text", TEXTS)
def test_openais_parser_reads_any_text_however_the_stream_is_cut(http: httpx.Client, text: str) -> None:
    grammar = "root ::= " + json.dumps(text, ensure_ascii=False)
    body = QUESTION | {"grammar": grammar, "stream": True, "n": 2, "cache": False, "max_tokens": 40}
    stream = http.post("/v1/chat/completions", json=body).content
    draw = random.Random(text)
    for _ in range(20):
        cuts = sorted(draw.randrange(len(stream)) for _ in range(draw.randrange(60)))
        parts = [stream[begin:end] for begin, end in pairwise([0, *cuts, len(stream)])]
        assert _read(parts) == [text, text]


def _read(parts: list[bytes]) -> list[str]:
    """What OpenAI's client makes of a stream that arrives in these parts."""
    said = ["", ""]
    headers = {"Content-Type": "text/event-stream"}
    transport = httpx.MockTransport(lambda _request: httpx.Response(200, headers=headers, content=iter(parts)))
    with (
        httpx.Client(transport=transport) as http,
        openai.OpenAI(base_url="http://127.0.0.1/v1", api_key="none", http_client=http, max_retries=0) as client,
    ):
        for chunk in client.chat.completions.create(model="pocket", messages=[], stream=True):
            for choice in chunk.choices:
                said[choice.index] += choice.delta.content or ""
    return said
