"""A scripted back end and a running chat in front of it, for the tests of the terminal UI."""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Label

from appliance.client import AsyncClient
from appliance.conversations import Store, Thread
from appliance.tui import ChatApp
from appliance.tui.answer import Answer
from appliance.tui.chat_screen import ChatScreen
from appliance.tui.conversation import Conversation
from appliance.tui.prompt import Prompt

CODE = "Use it so:\n\n```python\nimport numpy as np\nnp.dot(a, b)\n```\n\nThat is all.\n"
LONG = "\n\n".join(f"Paragraph {number} of a long answer." for number in range(12))
PATIENCE = 60.0


class Server(ThreadingHTTPServer):
    """Answers chat requests from a script: a list of pieces, in which an event holds the stream until it is set, and a
    dictionary is a chunk of its own.
    """

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.script: list[list[str | threading.Event | dict[str, Any]]] = []
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.hung_up = threading.Event()
        self.cached = False
        self.finish_reason = "stop"
        self.refusal = ""
        self.longest = 0
        """Messages that fit the context; 0: any number."""
        self.models = ["pocket"]
        self.health = {"status": "ok", "model": "pocket", "quantisation": "Q8_0", "backend": "CPU", "context": 2048}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is part of the tests, whichever write notices it."""
        if isinstance(sys.exc_info()[1], OSError):
            self.hung_up.set()


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        models = {"data": [{"id": name} for name in self.server.models]}
        self._reply(200, models if self.path == "/v1/models" else self.server.health)

    def do_POST(self) -> None:
        self.server.keys.append(self.headers.get("Authorization", ""))
        self.server.requests.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        if 0 < self.server.longest < len(self.server.requests[-1]["messages"]):
            code = "context_length_exceeded"
            self._reply(400, {"error": {"message": "too long", "type": "invalid_request_error", "code": code}})
            return
        if self.server.refusal:
            self._reply(400, {"error": {"message": self.server.refusal, "type": "invalid_request_error", "code": None}})
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for piece in self.server.script.pop(0):
            if isinstance(piece, threading.Event):
                self._hold(piece)
            elif isinstance(piece, dict):
                self._send(piece)
            else:
                self._send({"choices": [{"delta": {"content": piece}, "finish_reason": None}]})
        self._send(
            {
                "choices": [{"delta": {}, "finish_reason": self.server.finish_reason}],
                "usage": {"prompt_tokens": 40, "completion_tokens": 96, "total_tokens": 136},
                "timings": {"predicted_per_second": 83.14},
                "cached": self.server.cached,
            }
        )
        self.wfile.write(b"data: [DONE]\n\n")

    def _hold(self, event: threading.Event) -> None:
        # Comments keep the stream alive, and show when the client has gone.
        while not event.wait(0.25):
            self.wfile.write(b": waiting\n\n")

    def _send(self, chunk: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())

    def _reply(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def start(port: int = 0) -> Server:
    server = Server(port)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    return server


class Chat:
    """A running chat and what a test wants to know about it."""

    def __init__(self, app: ChatApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot
        self.copied: list[str] = []
        app.copy = lambda text, _what: self.copied.append(text)  # type: ignore

    @property
    def screen(self) -> ChatScreen:
        return self.app.chat

    @property
    def prompt(self) -> Prompt:
        return self.screen.query_one(Prompt)

    @property
    def conversation(self) -> Conversation:
        return self.screen.query_one(Conversation)

    @property
    def answers(self) -> list[str]:
        return [answer.text for answer in self.screen.query(Answer)]

    @property
    def ending(self) -> str:
        label = self.screen.query(Answer).last().query_one(".ending", Label)
        return str(label.content) if label.display else ""

    def status(self, half: str) -> str:
        return str(self.screen.query_one(f"#{half}", Label).content)

    @property
    def notifications(self) -> list[str]:
        return [notification.message for notification in self.app._notifications]

    @property
    def notice(self) -> str:
        """The last one; empty while there is none."""
        return self.notifications[-1] if self.notifications else ""

    @property
    def shown(self) -> str:
        """The text on the screen."""
        return "\n".join(strip.text for strip in self.app.screen._compositor.render_strips())

    async def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain; the screen shows\n{self.shown}"
            await self.pilot.pause(0.005)
        await self.pilot.pause()

    @property
    def store(self) -> Store:
        return self.screen.thread.store

    @property
    def texts(self) -> list[str]:
        """What the branch on the screen says."""
        return [message.text for message in self.screen.thread.path]

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def ask(self, question: str, *, wait: bool = True) -> None:
        self.prompt.text = question
        await self.pilot.press("enter")
        if wait:
            await self.until(lambda: not self.screen.answering)


@asynccontextmanager
async def chat(url: str, size: tuple[int, int] = (80, 24), **options: Any) -> AsyncIterator[Chat]:
    """A chat in front of a server; `place` is its file of conversations, `open` the number of the one to show."""
    with tempfile.TemporaryDirectory() as folder:
        place = options.pop("place", Path(folder) / "conversations.db")
        opened = options.pop("open", None)
        with Store(place) as store:
            thread = Thread(store) if opened is None else Thread.open(store, opened)
            async with AsyncClient(url) as client:
                app = ChatApp(client, thread, "pocket", **{"folder": Path(folder)} | options)
                async with app.run_test(size=size, notifications=True) as pilot:
                    await pilot.pause()
                    yield Chat(app, pilot)
                    app.exit()
