"""Asking anew, editing, going on, voting, and the options of a conversation; driven key by key."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from textual.widgets import Input, Select, TextArea

from appliance.conversations import Options
from appliance.tui.notice import Notice
from appliance.tui.options_screen import OptionsScreen
from appliance.tui.text_screen import TextScreen
from bundle.preferences import read_preferences

from .scripted import Server, chat

pytestmark = pytest.mark.anyio


async def test_a_question_is_answered_anew_past_the_cache(server: Server) -> None:
    server.script = [["One."], ["Two."]]
    async with chat(server.url) as c:
        await c.ask("How?")
        await c.press("ctrl+r")
        await c.until(lambda: c.answers == ["Two."] and not c.screen.answering)
        assert c.ending == "‹ 2 of 2 ›"
        assert server.requests[1]["cache"] is False and "cache" not in server.requests[0]
        assert server.requests[1]["messages"] == [{"role": "user", "content": "How?"}]
        await c.press("alt+left")
        await c.until(lambda: c.answers == ["One."])
        assert c.ending == "‹ 1 of 2 ›"
        await c.press("alt+left", "alt+right")
        await c.until(lambda: c.answers == ["Two."])


async def test_an_earlier_question_is_edited_in_a_branch(server: Server) -> None:
    server.script = [["1"], ["2"], ["I"]]
    async with chat(server.url) as c:
        await c.ask("one")
        await c.ask("two")
        await c.press("ctrl+up", "ctrl+up", "ctrl+up", "ctrl+up", "f2")
        assert c.prompt.text == "one" and "new branch" in c.shown
        await c.press("escape")
        assert c.prompt.text == ""
        await c.press("f2", "!", "enter")
        await c.until(lambda: c.answers == ["I"] and not c.screen.answering)
        assert c.texts == ["one!", "I"] and "‹ 2 of 2 ›" in c.shown
        await c.press("alt+left")
        await c.until(lambda: c.texts == ["one", "1", "two", "2"])
    assert server.requests[-1]["messages"] == [{"role": "user", "content": "one!"}]


async def test_a_cut_off_answer_is_gone_on_with(server: Server) -> None:
    server.script = [["```python\nx ="], [" 1\n```"]]
    server.finish_reason = "length"
    async with chat(server.url) as c:
        await c.ask("How?")
        assert c.ending == "cut off at the longest answer"
        server.finish_reason = "stop"
        await c.press("f4")
        await c.until(lambda: c.answers == ["```python\nx = 1\n```"] and not c.screen.answering)
        assert c.ending == ""
        await c.press("f4")
        await c.until(lambda: c.notice.startswith("The last answer is whole"))
    assert [message["role"] for message in server.requests[-1]["messages"]] == ["user", "assistant"]
    assert server.requests[-1]["messages"][-1]["content"] == "```python\nx ="
    assert [request.get("continue_final_message") for request in server.requests] == [None, True]


async def test_a_conversation_longer_than_the_context_goes_on(server: Server) -> None:
    server.script = [[str(number)] for number in range(6)]
    async with chat(server.url) as c:
        for number in range(5):
            await c.ask(f"q{number}")
        server.longest = 4
        await c.ask("q5")
        assert c.answers[-1] == "5"
        assert c.ending == "without the first 4 questions: the context is full"
    assert [message["content"] for message in server.requests[-1]["messages"]] == ["q4", "4", "q5"]


async def test_votes_become_the_trainers_pairs(server: Server, tmp_path: Path) -> None:
    server.script = [["Two."], ["One."]]
    votes = tmp_path / "preferences.jsonl"
    async with chat(server.url, preferences=votes) as c:
        await c.ask("What is 1?")
        await c.press("f8")
        await c.until(lambda: isinstance(c.app.screen, TextScreen))
        c.app.screen.query_one(TextArea).text = "It is one."
        await c.press("ctrl+s")
        await c.until(votes.exists)
        assert c.ending == "▼ bad"
        await c.press("ctrl+r")
        await c.until(lambda: c.answers == ["One."] and not c.screen.answering)
        await c.press("f7")
        await c.until(lambda: "▲ good" in c.ending)
        await c.press("f7")
        await c.until(lambda: "▲ good" not in c.ending)
    pairs = [(pair.chosen, pair.rejected) for _, pair in read_preferences(votes)]
    assert pairs == [("It is one.", "Two."), ("One.", "Two.")]


async def test_a_bad_vote_needs_no_better_answer(server: Server) -> None:
    server.script = [["Two."]]
    async with chat(server.url) as c:
        await c.ask("What is 1?")
        await c.press("f8")
        await c.until(lambda: isinstance(c.app.screen, TextScreen))
        await c.press("escape")
        await c.until(lambda: c.app.screen is c.screen)
        assert c.ending == "▼ bad"


async def test_a_conversation_has_its_own_options(server: Server) -> None:
    server.script = [["Yes."], ["No."]]
    server.models = ["pocket", "other"]
    async with chat(server.url) as c:
        await c.press("f6")
        await c.until(lambda: isinstance(c.app.screen, OptionsScreen))
        screen = c.app.screen
        screen.query_one("#preset", Select).value = "brief"
        await c.until(lambda: screen.query_one("#max_tokens", Input).value == "256")
        screen.query_one("#model", Select).value = "other"
        screen.query_one("#temperature", Input).value = "hot"
        await c.press("ctrl+s")
        await c.until(lambda: "✖ temperature" in c.shown)
        screen.query_one("#temperature", Input).value = "0"
        await c.press("ctrl+s")
        await c.until(lambda: c.app.screen is c.screen)
        await c.ask("How?")
        asked = server.requests[-1]
        assert (asked["model"], asked["temperature"], asked["max_tokens"]) == ("other", 0.0, 256)
        assert asked["messages"][0]["role"] == "system"
        assert c.store.conversations()[0].options.max_tokens == 256
        c.screen.thread.options = Options()
        await c.ask("And now?")
    assert server.requests[-1]["model"] == "pocket" and "temperature" not in server.requests[-1]


async def test_nothing_is_changed_while_an_answer_comes(server: Server) -> None:
    gate = threading.Event()
    server.script = [["One."], ["Two", gate]]
    async with chat(server.url) as c:
        await c.ask("1")
        await c.ask("2", wait=False)
        await c.until(lambda: c.answers == ["One.", "Two"])
        await c.press("ctrl+r", "f2", "f4", "f7", "alt+left")
        assert c.texts[:3] == ["1", "One.", "2"]
        assert len(server.requests) == 2 and c.prompt.text == ""
        gate.set()
        await c.until(lambda: not c.screen.answering)


async def test_what_fails_anew_leaves_what_was_there(server: Server) -> None:
    server.script = [["One."], ["Two."]]
    async with chat(server.url) as c:
        await c.ask("How?")
        server.refusal = "busy"
        await c.press("ctrl+r")
        await c.until(lambda: c.screen.query(Notice) and not c.screen.answering)
        assert c.answers == ["One."] and c.texts == ["How?", "One."]
        assert "busy" in str(c.screen.query_one(Notice).content) and c.prompt.text == ""
        await c.press("f2", "!", "enter")
        await c.until(lambda: c.prompt.text == "How?!" and not c.screen.answering)
        assert c.texts == ["How?", "One."]
        server.refusal = ""
        await c.press("ctrl+r")
        await c.until(lambda: c.answers == ["Two."] and not c.screen.answering)
        assert not c.screen.query(Notice)
