"""The list of conversations and the search, export and import, long histories; driven key by key."""

from __future__ import annotations

import random
import threading
import time
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import pytest
from textual.widgets import Input

from appliance.conversations import Conversation, Message, Options, Store, Thread
from appliance.tui.answer import Answer
from appliance.tui.conversation import MOST, WINDOW
from appliance.tui.conversations_screen import ConversationsScreen
from appliance.tui.line_screen import LineScreen
from appliance.tui.question import Question

from .scripted import LONG, Chat, Server, chat

pytestmark = pytest.mark.anyio


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "conversations.db"


def fill(place: Path, *conversations: Sequence[tuple[str, str]]) -> list[int]:
    numbers = []
    with Store(place) as store:
        for turns in conversations:
            thread = Thread(store)
            for question, answer in turns:
                draft = thread.ask(question, "pocket")
                draft.feed(answer)
                thread.end(draft, "whole")
            assert thread.conversation is not None
            numbers.append(thread.conversation.id)
    return numbers


async def listed(c: Chat) -> None:
    await c.press("ctrl+o")
    await c.until(lambda: isinstance(c.app.screen, ConversationsScreen))


async def back(c: Chat) -> None:
    await c.until(lambda: c.app.screen is c.screen)


async def test_a_conversation_is_found_and_gone_on_with(server: Server, place: Path) -> None:
    fill(place, [("How do I sort?", "Call sorted.")], [("How do I group?", "Call groupby.")])
    server.script = [["And so."]]
    async with chat(server.url, place=place) as c:
        await listed(c)
        assert c.shown.index("How do I group?") < c.shown.index("How do I sort?")
        await c.press("down", "enter")
        await back(c)
        await c.until(lambda: c.answers == ["Call sorted."])
        assert "How do I sort?" in c.shown.splitlines()[0]
        await c.ask("And then?")
        assert c.texts == ["How do I sort?", "Call sorted.", "And then?", "And so."]
    assert len(server.requests[-1]["messages"]) == 3


async def test_search_jumps_to_the_hit(server: Server, place: Path) -> None:
    turns = [(f"question {number}", f"{LONG}\n\nanswer number{number}") for number in range(40)]
    fill(place, turns, [("other", "thing")])
    async with chat(server.url, place=place) as c:
        await listed(c)
        await c.press(*"number7")
        await c.until(lambda: "1 hit" in c.shown)
        assert "question 0" in c.shown and "number7" in c.shown
        await c.press("enter")
        await back(c)
        await c.until(lambda: c.screen.query(".-selected"))
        selected = c.screen.query_one(".-selected", Answer)
        assert selected.text.endswith("answer number7")
        await c.until(lambda: c.conversation.region.overlaps(selected.region) and selected.region.area)
        assert "later messages" in str(c.screen.query_one("#later").render())
        await c.press("escape")
        assert not c.screen.query(".-selected")


async def test_conversations_are_renamed_pinned_and_deleted_with_undo(server: Server, place: Path) -> None:
    fill(place, [("first", "1")], [("second", "2")])
    async with chat(server.url, place=place) as c:
        await listed(c)
        await c.press("down", "ctrl+t")
        assert [one.title for one in c.store.conversations()] == ["first", "second"]
        await c.press("up", "f2")
        await c.until(lambda: isinstance(c.app.screen, LineScreen))
        c.app.screen.query_one(Input).value = "renamed [b]"
        await c.press("enter")
        await c.until(lambda: isinstance(c.app.screen, ConversationsScreen) and "renamed [b]" in c.shown)
        await c.press("ctrl+d")
        await c.until(lambda: [one.title for one in c.store.conversations()] == ["second"])
        assert "Ctrl+Z" in c.shown
        await c.press("ctrl+z")
        await c.until(lambda: len(c.store.conversations()) == 2)
        await c.press("escape")
        await back(c)


async def test_the_open_conversation_can_be_deleted(server: Server) -> None:
    server.script = [["One."], ["Two."]]
    async with chat(server.url) as c:
        await c.ask("1")
        await listed(c)
        await c.press("ctrl+d", "escape")
        await back(c)
        await c.until(lambda: not c.answers)
        await c.ask("2")
        assert [one.title for one in c.store.conversations()] == ["2"]


async def test_a_conversation_goes_to_a_file_and_comes_back(server: Server, place: Path, tmp_path: Path) -> None:
    fill(place, [("How?", "So.")])
    async with chat(server.url, place=place, open=1, folder=tmp_path) as c:
        for name in ("out.json", "out.md", "nowhere/out.md"):
            await c.press("alt+e")
            await c.until(lambda: isinstance(c.app.screen, LineScreen))
            c.app.screen.query_one(Input).value = name
            await c.press("enter")
            await back(c)
        assert (tmp_path / "out.md").read_text() == "# How?\n\n## Question\n\nHow?\n\n## Answer\n\nSo.\n"
        await c.until(lambda: "no such file" in c.notice)
        for name, said in (("out.json", "1 conversation added."), ("out.md", "not a file of conversations")):
            await c.press("alt+i")
            await c.until(lambda: isinstance(c.app.screen, LineScreen))
            c.app.screen.query_one(Input).value = name
            await c.press("enter")
            await back(c)
            await c.until(lambda said=said: said in c.notice)
        assert len(c.store.conversations()) == 2


async def test_a_question_that_was_never_answered_leaves_nothing(server: Server) -> None:
    server.refusal = "no"
    async with chat(server.url) as c:
        await c.ask("How?")
        assert c.store.conversations() == [] and c.texts == []
        assert not c.screen.query(Question)


async def test_two_thousand_messages_open_at_once_and_typing_goes_on(server: Server, place: Path) -> None:
    turns = [
        Message(id=number + 1, parent=number or None, role="assistant" if number % 2 else "user", text=LONG)
        for number in range(2_000)
    ]
    with Store(place) as store:
        store.add_all([(store.begin("long"), turns)])
    async with chat(server.url, place=place, open=2) as c:
        assert len(c.screen.thread.path) == 2_000
        shown = len(c.screen.query("Question, Answer"))
        assert shown == WINDOW
        # The processor's time, not the clock's: tests share their machine.
        began = time.process_time()
        await c.screen.open(Thread.open(c.store, 2))
        await c.until(lambda: len(c.screen.query("Question, Answer")) == WINDOW)
        assert time.process_time() - began < 2
        began = time.process_time()
        await c.press(*"abcdefghij")
        assert c.prompt.text == "abcdefghij"
        assert time.process_time() - began < 2
        for _ in range(25):
            await c.press("pageup")
        await c.until(lambda: len(c.screen.query("Question, Answer")) > WINDOW)
        assert len(c.screen.query("Question, Answer")) <= MOST


async def test_what_was_streamed_is_in_the_store_as_it_comes(
    server: Server, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.conversations.draft.EVERY", 0.0)
    gate = threading.Event()
    server.script = [["The first half", gate]]
    async with chat(server.url, place=place) as c:
        await c.ask("How?", wait=False)
        await c.until(lambda: c.answers == ["The first half"])
        with Store(place) as other:
            assert [message.text for message in Thread.open(other, 1).path] == ["How?", "The first half"]
            assert Thread.open(other, 1).path[1].state == "writing"
        gate.set()
        await c.until(lambda: not c.screen.answering)


@pytest.mark.parametrize("seed", range(4))
async def test_an_imported_stranger_cant_steer_the_terminal(server: Server, place: Path, seed: int) -> None:
    chance = random.Random(seed)
    marks = ("[red]", "[/]", "[@click=app.quit]", "](http://x)", "```\n", "a ")
    odd = [*"\x1b[]0;\x07\x9b\u202e\u2066\x00\r\n\t\b\x7f`|#>*_~", *marks]
    hostile = ["".join(chance.choices(odd, k=120)) for _ in range(6)]
    with Store(place) as store:
        # Past the import's own cleaning, as a damaged or hostile file of conversations would be.
        messages = [
            Message(id=number + 1, parent=number or None, role="assistant" if number % 2 else "user", text=text)
            for number, text in enumerate(hostile)
        ]
        conversation = Conversation(id=0, title=hostile[0], options=Options(system=hostile[1], model=hostile[2][:200]))
        (number,) = store.add_all([(conversation, messages)])
    async with chat(server.url, place=place, open=number) as c:
        opened: list[str] = []
        c.app.open_url = lambda url, **_: opened.append(url)  # type: ignore[method-assign]
        for keys in ("f1", "escape ctrl+o", "a", "f2", "escape escape f3", "escape f6", "escape f8", "escape f2", "up"):
            await c.press(*keys.split())
            await c.pilot.pause()
            assert not {unicodedata.category(one) for one in c.shown.replace("\n", "")} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
        assert opened == [] and c.app.is_running
