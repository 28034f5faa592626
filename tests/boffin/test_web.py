"""`boffin web`: the page, the chat behind it, and who is turned away."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ..appliance.tui.scripted import CODE, Server, start

aiohttp = pytest.importorskip("aiohttp", reason="the extra `web` isn't installed")
pytest.importorskip("textual_serve", reason="the extra `web` isn't installed")
ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0


@pytest.fixture
def server() -> Iterator[Server]:
    server = start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def page(server: Server, tmp_path: Path) -> Iterator[str]:
    """The address of a running `boffin web`, which names a proxy's address, too."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {**os.environ, "XDG_DATA_HOME": str(tmp_path / "data"), "PYTHONPATH": str(ROOT)}
    named = ["--url", server.url, "--port", str(port), "--public-url", "https://chat.example.org"]
    command = [sys.executable, "-m", "boffin", "web", *named]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "The chat is at https://chat.example.org\n"
    deadline = time.monotonic() + PATIENCE
    while True:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
            break
        assert time.monotonic() < deadline
    yield f"http://127.0.0.1:{port}"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE)


async def _drawn(session: Any, page: str, keys: list[tuple[str, str]], origin: str) -> None:
    """Wait for the chat to draw each text, pressing the keys beside it; again where they came before it listened."""
    headers = {"Origin": origin}
    async with session.ws_connect(f"{page}/ws?width=100&height=30", headers=headers) as socket_:
        deadline = time.monotonic() + PATIENCE
        for key, awaited in keys:
            drawn, pressed = b"", 0.0
            while awaited.encode() not in drawn:
                assert time.monotonic() < deadline, drawn[-300:]
                if key and time.monotonic() - pressed > 4:
                    await socket_.send_json(["focus"])  # as the page does when it is looked at
                    await socket_.send_json(["stdin", key])
                    pressed = time.monotonic()
                message = await socket_.receive(timeout=PATIENCE)
                drawn += message.data if isinstance(message.data, bytes) else b""


async def _status(session: Any, page: str, **headers: str) -> int:
    async with session.get(page, headers=headers) as response:
        return int(response.status)


def test_the_chat_is_in_the_browser_and_for_no_other_page(page: str, server: Server) -> None:
    server.script = [[CODE]] * 9

    async def browse() -> None:
        async with aiohttp.ClientSession() as session:
            port = page.rpartition(":")[2]
            assert await _status(session, page) == 200
            assert await _status(session, page, Host="chat.example.org") == 200
            assert await _status(session, page, Host=f"evil.example:{port}") == 403
            assert await _status(session, page, Origin="https://evil.example") == 403
            with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
                await _drawn(session, page, [], "https://evil.example")
            keys = [("", "Q8_0"), ("@boffin.toml How?\r", "np"), ("\x19", "2 lines")]
            await _drawn(session, page, keys, "https://chat.example.org")

    asyncio.run(browse())
    assert server.requests[0]["messages"] == [{"role": "user", "content": "@boffin.toml How?"}]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--public-url", "chat.example.org"], "not an address; write it like https://chat.example.org"),
        (["--port", "{taken}"], "is taken; give another one with --port"),
    ],
)
def test_a_mistake_is_one_line(server: Server, arguments: list[str], said: str, tmp_path: Path) -> None:
    filled = [one.replace("{taken}", str(server.server_address[1])) for one in arguments]
    command = [sys.executable, "-m", "boffin", "web", "--url", server.url, *filled]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, cwd=tmp_path, env=environment, check=False, capture_output=True, text=True)
    assert ended.returncode == 1
    assert said in ended.stderr and ended.stderr.count("\n") == 1
