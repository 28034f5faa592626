"""Answers in the terminal UI: how they stream, stop, fail, and are asked again; driven key by key."""

from __future__ import annotations

import asyncio
import re
import threading
from typing import Any

import pytest
from textual.events import Key

from appliance.tui.answer import Answer
from appliance.tui.markdown import Code
from appliance.tui.notice import Notice
from appliance.tui.question import Question
from appliance.tui.welcome import Welcome

from .scripted import CODE, LONG, PATIENCE, Handler, Server, chat, start

pytestmark = pytest.mark.anyio


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
        assert re.fullmatch(r"83\.1 tok/s · first \d+\.\d\d s · 136 of 2,048 tok", c.status("answer"))
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
            screens.append(re.sub(r"first \S+ s", "", c.shown))
    assert screens[0] == screens[1]


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
    monkeypatch.setattr("appliance.tui.answering.MAX_ANSWER", 50)
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
        assert ("tok/s" in c.status("answer")) != cached


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
