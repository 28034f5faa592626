"""The client of the endpoint, against the real server and against servers that misbehave."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from appliance.client import AsyncClient, Client, Delta, Done, Health
from bundle.errors import ServerError

QUESTION = [{"role": "user", "content": "Name three colours."}]


def test_an_answer_streams_and_ends(server: str) -> None:
    with Client(server) as client:
        assert client.models() == ["pocket"]
        *deltas, done = client.chat(QUESTION, model="pocket", temperature=0, max_tokens=12, cache=False)
    assert all(isinstance(delta, Delta) and delta.text for delta in deltas)
    assert len(deltas) > 3
    assert isinstance(done, Done)
    assert (done.finish_reason, done.cached) == ("length", False)
    assert done.usage.completion_tokens == done.timings.predicted_n == 12
    assert done.timings.predicted_per_second > 0


def test_the_asynchronous_client_says_the_same(server: str) -> None:
    async def ask() -> tuple[list[str], str, list[str]]:
        async with AsyncClient(server) as client:
            events = [event async for event in client.chat(QUESTION, temperature=0, max_tokens=12, cache=False)]
            status = (await client.health()).status
            assert isinstance(events[-1], Done)
            return [event.text for event in events if isinstance(event, Delta)], status, await client.models()

    texts, status, models = asyncio.run(ask())
    with Client(server) as client:
        events = client.chat(QUESTION, temperature=0, max_tokens=12, cache=False)
        assert "".join(texts) == "".join(event.text for event in events if isinstance(event, Delta))
    assert (status, models) == ("ok", ["pocket"])


def test_closing_the_stream_cancels_the_answer(
    server: str, wait_for_health: Callable[[Callable[[Health], bool]], Health]
) -> None:
    wait_for_health(lambda health: health.slots_busy == 0)
    with Client(server) as client:
        with closing(client.chat(QUESTION, temperature=2.0, max_tokens=400, cache=False)) as events:
            assert isinstance(next(events), Delta)
            assert client.health().slots_busy == 1
        wait_for_health(lambda health: health.slots_busy == 0)


def test_a_refusal_is_one_line(server: str) -> None:
    with Client(server) as client, pytest.raises(ServerError, match=r"'other' is not served here.*HTTP 404") as error:
        list(client.chat(QUESTION, model="other"))
    assert "\n" not in str(error.value)


def test_no_server_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with Client(url) as client:
        for ask in (client.health, client.models, lambda: list(client.chat(QUESTION))):
            with pytest.raises(ServerError, match="start one with `boffin serve`"):
                ask()


@pytest.mark.parametrize("url", ["", "127.0.0.1:80", "ftp://x", "http://", "http://[::1"])
def test_what_is_no_address_is_one_line(url: str) -> None:
    with pytest.raises(ServerError, match="not the address of a server"):
        Client(url)


@pytest.fixture
def misbehaving() -> Iterator[Callable[[int, bytes], str]]:
    """Starts servers that answer everything with the same bytes."""
    servers: list[ThreadingHTTPServer] = []

    def start(status: int, body: bytes) -> str:
        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = _answer

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b'data: {"choices": [{"delta": {"content": "half"}}]}\n\n', "broke the answer off"),
        (200, b'data: {"error": {"message": "out\\nof \\u001b[31mluck"}}\n\n', r"out of  \[31mluck"),
        (200, b"data: {broken\n\n", "not an appliance's"),
        (200, b'data: {"choices": 5}\n\n', "not an appliance's"),
        (502, b"<html>proxy</html>", r"not an appliance's.*HTTP 502"),
        (503, b'{"error": {"message": "queue is full"}}', r"queue is full \(HTTP 503\)"),
    ],
)
def test_a_server_that_misbehaves_is_one_line(
    misbehaving: Callable[[int, bytes], str], status: int, body: bytes, said: str
) -> None:
    with Client(misbehaving(status, body)) as client, pytest.raises(ServerError, match=said) as error:
        list(client.chat(QUESTION))
    assert str(error.value).isprintable()


def test_lines_that_say_nothing_are_passed_over(misbehaving: Callable[[int, bytes], str]) -> None:
    body = b': ping\n\nevent: x\ndata: {"choices": [{"delta": {"content": "hi"}}], "new": 1}\n\ndata: [DONE]\n\nrest'
    with Client(misbehaving(200, body)) as client:
        first, done = client.chat(QUESTION)
    assert first == Delta("hi")
    assert isinstance(done, Done)


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"status": "fine"}'])
def test_what_is_no_appliance_has_no_health(misbehaving: Callable[[int, bytes], str], body: bytes) -> None:
    with Client(misbehaving(200, body)) as client, pytest.raises(ServerError, match="not an appliance's"):
        client.health()
