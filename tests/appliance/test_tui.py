"""The terminal UI, driven key by key against a small scripted HTTP server; waits on conditions, never on time."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from textual.binding import Binding
from textual.events import Key, Paste
from textual.pilot import Pilot
from textual.widgets import Label

from appliance.client import AsyncClient
from appliance.tui import ChatApp
from appliance.tui.answer import Answer
from appliance.tui.chat_screen import ChatScreen
from appliance.tui.conversation import Conversation
from appliance.tui.help_screen import HelpScreen
from appliance.tui.markdown import Code
from appliance.tui.notice import Notice
from appliance.tui.prompt import Prompt
from appliance.tui.question import Question
from appliance.tui.welcome import Example, Welcome

CODE = "Use it so:\n\n```python\nimport numpy as np\nnp.dot(a, b)\n```\n\nThat is all.\n"
LONG = "\n\n".join(f"Paragraph {number} of a long answer." for number in range(12))
PATIENCE = 10.0

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Server(ThreadingHTTPServer):
    """Answers chat requests from a script: a list of pieces, in which an event holds the stream until it is set."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.script: list[list[str | threading.Event]] = []
        self.requests: list[dict[str, Any]] = []
        self.hung_up = threading.Event()
        self.cached = False
        self.finish_reason = "stop"
        self.refusal = ""
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
        models = {"data": [{"id": "pocket"}]}
        self._reply(200, models if self.path == "/v1/models" else self.server.health)

    def do_POST(self) -> None:
        self.server.requests.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        if self.server.refusal:
            self._reply(400, {"error": {"message": self.server.refusal, "type": "invalid_request_error", "code": None}})
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for piece in self.server.script.pop(0):
            if isinstance(piece, threading.Event):
                self._hold(piece)
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


@pytest.fixture
def server() -> Iterator[Server]:
    server = start()
    yield server
    server.shutdown()
    server.server_close()


class Chat:
    """A running chat and what a test wants to know about it."""

    def __init__(self, app: ChatApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot
        self.copied: list[str] = []
        app.copy_to_clipboard = self.copied.append  # type: ignore[method-assign]

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
    def shown(self) -> str:
        """The text on the screen."""
        return "\n".join(strip.text for strip in self.app.screen._compositor.render_strips())

    async def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain; the screen shows\n{self.shown}"
            await self.pilot.pause(0.005)
        await self.pilot.pause()

    async def ask(self, question: str, *, wait: bool = True) -> None:
        self.prompt.text = question
        await self.pilot.press("enter")
        if wait:
            await self.until(lambda: not self.screen.answering)


@asynccontextmanager
async def chat(url: str, size: tuple[int, int] = (80, 24)) -> AsyncIterator[Chat]:
    async with AsyncClient(url) as client:
        app = ChatApp(client, "pocket", "pocket")
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            yield Chat(app, pilot)
            app.exit()


async def test_a_question_is_sent_and_its_answer_streams(server: Server) -> None:
    gate = threading.Event()
    server.script = [["Use `np", ".dot`", gate, " twice.\n\n```python\nx = 1\n"], ["And so on."]]
    async with chat(server.url) as c:
        await c.until(lambda: c.status("server") == "● pocket · Q8_0 · CPU")
        assert "Ask pocket" in c.shown
        await c.ask("How?", wait=False)
        await c.until(lambda: c.answers == ["Use `np.dot`"])
        assert c.screen.answering
        assert c.status("answer") == "answering · Esc stops"
        gate.set()
        await c.until(lambda: not c.screen.answering)
        assert c.answers == ["Use `np.dot` twice.\n\n```python\nx = 1\n"]
        # The fence that the model left open is a code block all the same.
        assert [code.code for code in c.screen.query(Code)] == ["x = 1"]
        assert c.status("answer") == "83.1 tokens/s · 136 of 2,048 tokens used"
        assert not c.screen.query_one(Welcome).display
        await c.ask("And?")
    assert server.requests[0]["model"] == "pocket"
    assert server.requests[1]["messages"] == [
        {"role": "user", "content": "How?"},
        {"role": "assistant", "content": "Use `np.dot` twice.\n\n```python\nx = 1\n"},
        {"role": "user", "content": "And?"},
    ]


async def test_the_screen_shows_the_same_however_the_answer_was_cut(server: Server) -> None:
    server.script = [[CODE], list(CODE)]
    screens = []
    for _ in range(2):
        async with chat(server.url) as c:
            await c.until(lambda: "Q8_0" in c.status("server"))
            await c.ask("How?")
            screens.append(c.shown)
    assert screens[0] == screens[1]


async def test_enter_sends_and_ctrl_j_begins_a_line(server: Server) -> None:
    server.script = [["Yes."]]
    async with chat(server.url) as c:
        await c.pilot.press("enter", "a", "ctrl+j", "b", "question_mark", "enter")
        await c.until(lambda: c.answers == ["Yes."])
        assert c.prompt.text == ""
    assert [request["messages"][0]["content"] for request in server.requests] == ["a\nb?"]


async def test_keys_act_in_the_order_of_typing(server: Server) -> None:
    server.script = [["Yes."]]
    async with chat(server.url) as c:
        for key, character in (*((letter, letter) for letter in "how"), ("ctrl+j", "\n"), ("x", "x"), ("enter", "\r")):
            c.app.post_message(Key(key, character))
        for letter in "next":
            c.app.post_message(Key(letter, letter))
        await c.until(lambda: c.answers == ["Yes."] and not c.screen.answering)
        assert c.prompt.text == "next"
    assert [request["messages"][0]["content"] for request in server.requests] == ["how\nx"]


async def test_escape_stops_and_keeps_what_came(server: Server) -> None:
    gate = threading.Event()
    server.script = [["The first half", gate, " and the second."], ["Fine."]]
    async with chat(server.url) as c:
        assert "Stop" not in c.shown
        await c.ask("How?", wait=False)
        await c.until(lambda: c.answers == ["The first half"])
        assert "Stop" in c.shown
        await c.ask("Too early", wait=False)
        assert c.prompt.text == "Too early"
        await c.pilot.press("escape")
        await c.until(lambda: not c.screen.answering)
        assert c.answers == ["The first half"]
        assert c.ending == "stopped"
        await asyncio.to_thread(server.hung_up.wait, PATIENCE)
        assert server.hung_up.is_set(), "the server was left answering"
        await c.ask("Go on")
        assert c.answers[-1] == "Fine."
    assert {"role": "assistant", "content": "The first half"} in server.requests[-1]["messages"]


async def test_escape_stops_before_the_first_word(server: Server) -> None:
    server.script = [[threading.Event()], ["Fine."]]
    async with chat(server.url) as c:
        await c.ask("How?", wait=False)
        await c.until(lambda: server.requests)
        await c.pilot.press("escape")
        await c.until(lambda: not c.screen.answering)
        assert c.ending == "stopped"
        await c.ask("Again")
        assert c.answers == ["", "Fine."]
    assert server.requests[-1]["messages"] == [{"role": "user", "content": "Again"}]


async def test_a_stop_right_after_the_question_is_not_lost(server: Server) -> None:
    server.script = [[threading.Event()]]
    async with chat(server.url) as c:
        c.prompt.text = "How?"
        c.app.post_message(Key("enter", "\r"))
        await c.until(lambda: c.screen.answering)
        c.screen.action_stop()
        await c.until(lambda: not c.screen.answering)
        assert c.ending == "stopped"


async def test_an_endless_answer_is_cut_off(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.tui.chat_screen.MAX_ANSWER", 50)
    server.script = [["word "] * 15 + [threading.Event()]]
    async with chat(server.url) as c:
        await c.ask("How?")
        assert 50 < len(c.answers[0]) < 75
        assert c.ending == "cut off at the longest answer"
        await asyncio.to_thread(server.hung_up.wait, PATIENCE)
        assert server.hung_up.is_set()


async def test_a_lost_server_is_a_line_and_the_question_is_asked_again(server: Server) -> None:
    async with chat(server.url) as c:
        await c.until(lambda: "Q8_0" in c.status("server"))
        port = server.server_address[1]
        server.shutdown()
        server.server_close()
        await c.ask("Are you there?")
        await c.until(lambda: c.status("server").startswith(f"✖ {server.url}: no server answers"))
        assert "no server answers there" in str(c.screen.query_one(Notice).content)
        assert not c.screen.query(Answer)
        assert c.prompt.text == "Are you there?"
        revived = start(port)
        revived.script = [["Yes."]]
        await c.pilot.press("enter")
        await c.until(lambda: c.answers == ["Yes."])
        assert revived.requests[0]["messages"] == [{"role": "user", "content": "Are you there?"}]
        revived.shutdown()
        revived.server_close()


async def test_an_answer_that_breaks_off_is_kept(server: Server) -> None:
    server.script = [["Half an ans"]]
    server.finish_reason = ""
    Handler_end = Handler._send

    def send(handler: Handler, chunk: dict[str, Any]) -> None:
        if "usage" in chunk:
            raise OSError("cable cut")
        Handler_end(handler, chunk)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Handler, "_send", send)
        async with chat(server.url) as c:
            await c.ask("How?")
            assert c.answers == ["Half an ans"]
            assert c.ending == "broken off"
            assert "broke the answer off" in str(c.screen.query_one(Notice).content)


async def test_a_refusal_is_shown_as_the_server_words_it(server: Server) -> None:
    server.refusal = "the prompt has 3,000 tokens; [red]at most 2,048 fit\x1b[31m"
    async with chat(server.url) as c:
        await c.ask("How?")
        shown = str(c.screen.query_one(Notice).content)
        assert "the prompt has 3,000 tokens; [red]at most 2,048 fit" in shown
        assert "\x1b" not in shown


@pytest.mark.parametrize(("reason", "cached", "ending"), [("length", False, "cut off"), ("stop", True, "from cache")])
async def test_an_unusual_end_is_told(server: Server, reason: str, cached: bool, ending: str) -> None:
    server.script = [["Yes."]]
    server.finish_reason, server.cached = reason, cached
    async with chat(server.url) as c:
        await c.ask("How?")
        assert ending in c.ending
        assert ("from cache" in c.status("answer")) == cached
        assert ("tokens/s" in c.status("answer")) != cached


@pytest.mark.parametrize(
    ("health", "shown"),
    [
        ({"status": "loading", "model": "pocket"}, "◐ pocket is loading its model"),
        ({"status": "failed", "detail": "out of\nmemory\x9b"}, "✖ the server failed: out of memory�"),
        ({"status": "unheard of"}, "✖ {url}: the reply is not an appliance's; check the address and the port"),
        ({"status": "ok", "model": "[b]x\x1b]0;y\x07", "backend": "CUDA"}, "● [b]x␛]0;y␇ · CUDA"),
    ],
)
async def test_the_status_line_says_how_the_server_is(server: Server, health: dict[str, str], shown: str) -> None:
    server.health = health
    async with chat(server.url) as c:
        await c.until(lambda: c.status("server") == shown.replace("{url}", server.url))


async def test_the_last_code_block_is_copied(server: Server) -> None:
    server.script = [[CODE], ["No code here."]]
    async with chat(server.url) as c:
        await c.pilot.press("ctrl+y")
        assert c.copied == []
        assert c.notifications == ["There is no code block yet."]
        await c.ask("How?")
        await c.ask("Why?")
        await c.pilot.press("ctrl+y")
        assert c.copied == ["import numpy as np\nnp.dot(a, b)\n"]
        assert c.notifications[-1] == "Copied 2 lines of code (through the terminal)."


async def test_a_link_is_never_opened(server: Server) -> None:
    server.script = [["[docs](https://example.org/a%1bb)"]]
    async with chat(server.url) as c:
        opened: list[str] = []
        c.app.open_url = lambda url, **_: opened.append(url)  # type: ignore[method-assign]
        await c.ask("Where?")
        await c.pilot.click("MarkdownParagraph", offset=(1, 0))
        await c.until(lambda: c.copied)
        assert c.copied == ["https://example.org/a␛b"]
        assert opened == []


async def test_a_new_conversation_forgets_the_old_one(server: Server) -> None:
    gate = threading.Event()
    server.script = [["One."], ["Two", gate], ["Three."]]
    async with chat(server.url) as c:
        await c.ask("1")
        await c.ask("2", wait=False)
        await c.until(lambda: c.answers == ["One.", "Two"])
        await c.pilot.press("ctrl+n")
        await c.until(lambda: not c.answers)
        assert c.screen.query_one(Welcome).display
        assert not c.screen.query(Question)
        assert c.status("answer") == ""
        await c.ask("3")
    assert server.requests[-1]["messages"] == [{"role": "user", "content": "3"}]


async def test_the_reader_above_is_left_alone_and_the_reader_below_follows(server: Server) -> None:
    gates = [threading.Event() for _ in range(3)]
    server.script = [[LONG, gates[0], "\n\n" + LONG, gates[1], "\n\n" + LONG, gates[2], "\n\n```python\nx = 1\n```"]]
    async with chat(server.url) as c:
        conversation = c.conversation

        async def scroll(key: str) -> None:
            await c.pilot.press(key)
            await c.pilot.pause()

        async def grows() -> None:
            high = conversation.max_scroll_y
            await c.until(lambda: conversation.max_scroll_y > high + 15)

        await c.ask("How?", wait=False)
        await c.until(lambda: conversation.max_scroll_y > 5)
        assert conversation.is_vertical_scroll_end
        await scroll("pageup")
        above = conversation.scroll_y
        assert above < conversation.max_scroll_y
        gates[0].set()
        await grows()
        assert conversation.scroll_y == above
        while not conversation.is_vertical_scroll_end:
            await scroll("pagedown")
        await scroll("pagedown")
        gates[1].set()
        await grows()
        assert conversation.is_vertical_scroll_end
        await scroll("pageup")
        above = conversation.scroll_y
        gates[2].set()
        await c.until(lambda: not c.screen.answering)
        assert conversation.scroll_y == above, "the last drawing moved the reader"


async def test_nothing_is_clipped_at_80_by_24(server: Server) -> None:
    server.script = [[CODE]]
    async with chat(server.url, (80, 24)) as c:
        await c.until(lambda: "Q8_0" in c.status("server"))
        for example in c.screen.query(Example):
            assert str(example.content) in c.shown
        c.prompt.text = "\n".join("line" for _ in range(40))
        await c.pilot.pause()
        assert c.conversation.size.height >= 8
        await c.ask("How?", wait=False)
        await c.until(lambda: not c.screen.answering)
        await c.until(lambda: "Commands" in c.shown)
        for text in (
            "pocket",
            "How?",
            "np.dot(a, b)",
            "That is all.",
            "83.1 tokens/s",
            "136 of 2,048 tokens used",
            "Quit",
        ):
            assert text in c.shown
        for widget in c.screen.query("ExpertHeader, Conversation, Prompt, StatusLine, Footer"):
            assert c.screen.region.contains_region(widget.region)
            assert widget.region.area


async def test_an_example_goes_into_the_prompt(server: Server) -> None:
    async with chat(server.url) as c:
        await c.pilot.click(Example)
        await c.until(lambda: c.prompt.text)
        assert c.prompt.text == "How do I send JSON in a POST request with requests?"
        assert c.prompt.has_focus
        assert server.requests == []


async def test_markup_is_text_and_a_paste_is_sanitised(server: Server) -> None:
    hostile = "[bold red]x[/] [@click=app.quit]y[/] [/nope]"
    server.script = [[hostile, "\n\n| [/] | [b] |\n|---|---|\n| [/x] | [@click=app.quit]q[/] |\n"]]
    async with chat(server.url) as c:
        c.app.post_message(Paste(hostile + "\x1b[2J"))
        await c.until(lambda: c.prompt.text)
        assert c.prompt.text == hostile + "␛[2J"
        await c.pilot.press("enter")
        await c.until(lambda: c.answers and not c.screen.answering)
        assert str(c.screen.query_one(Question).content) == hostile + "␛[2J"
        assert c.shown.count(hostile) == 2
        # Textual reads a string tooltip as markup, and this one would be an error.
        assert all(cell.tooltip is None for cell in c.screen.query("MarkdownTableCellContents"))


async def test_help_lists_every_binding_and_every_binding_has_an_id(server: Server) -> None:
    async with chat(server.url) as c:
        await c.pilot.press("f1")
        await c.until(lambda: isinstance(c.app.screen, HelpScreen))
        shown = c.shown
        bindings = [binding for owner in (ChatApp, ChatScreen, Prompt) for binding in owner.BINDINGS]
        identities = {binding.id for binding in bindings if isinstance(binding, Binding) and binding.id}
        assert len(identities) == len(bindings)
        for binding in bindings:
            assert isinstance(binding, Binding)
            assert (binding.tooltip or binding.description) in shown
        await c.pilot.press("escape")
        await c.until(lambda: c.app.screen is c.screen)


async def test_the_palette_offers_textuals_themes(server: Server) -> None:
    async with chat(server.url) as c:
        assert c.app.theme == "boffin"
        await c.pilot.press("ctrl+p")
        await c.until(lambda: "Theme" in c.shown and "New conversation" in c.shown)
        await c.pilot.press(*"theme", "enter")
        await c.until(lambda: "nord" in c.shown or "dracula" in c.shown)


async def test_quitting_in_the_middle_of_an_answer_leaves_nothing_behind(server: Server) -> None:
    gate = threading.Event()
    server.script = [["Half", gate]]
    async with chat(server.url) as c:
        await c.ask("How?", wait=False)
        await c.until(lambda: c.answers == ["Half"])
        await c.pilot.press("ctrl+q")
    assert c.app.return_code == 0
    await asyncio.to_thread(server.hung_up.wait, PATIENCE)
    assert server.hung_up.is_set()


def test_the_screenshot_shows_the_real_application(server: Server, tmp_path: Path) -> None:
    server.script = [[CODE]]
    script = Path(__file__).parents[2] / "scripts" / "screenshots.py"
    command = [sys.executable, str(script), "--url", server.url, "--question", "How, then?", "--out", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    picture = (tmp_path / "chat.svg").read_text()
    for text in ("How,&#160;then?", "numpy", "Q8_0"):
        assert text in picture
    assert 'url("http' not in picture
    server.shutdown()
    server.server_close()
    failed = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert failed.returncode == 1
    assert failed.stderr.startswith("screenshots: ")
    assert failed.stderr.count("\n") == 1
