"""The prompt of the terminal UI, driven key by key."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
from textual.events import Key, Paste

from appliance.tui.question import Question
from appliance.tui.welcome import Example

from .scripted import Server, chat

pytestmark = pytest.mark.anyio


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
        assert c.shown.count(hostile) == 3, "title, question and answer"
        # Textual reads a string tooltip as markup, and this one would be an error.
        assert all(cell.tooltip is None for cell in c.screen.query("MarkdownTableCellContents"))


async def test_earlier_questions_come_back(server: Server) -> None:
    server.script = [["1"], ["2"]]
    async with chat(server.url) as c:
        await c.ask("one")
        await c.ask("two\nlines")
        await c.press("x", "up")
        assert c.prompt.text == "two\nlines"
        await c.press("up")
        assert c.prompt.text == "one"
        await c.press("up", "down", "down")
        assert c.prompt.text in ("two\nlines", "x")
        while c.prompt.text != "x":
            await c.press("down")


async def test_a_question_is_written_in_the_users_editor(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "editor"
    script.write_text("#!/bin/sh\nprintf 'from the editor\\033[2J\\n' >> \"$1\"\n")
    script.chmod(0o700)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", str(script))
    async with chat(server.url) as c:
        await c.press("a", "ctrl+g")
        await c.until(lambda: c.notice == "This terminal can't be lent to an editor.")
        monkeypatch.setattr(c.app, "suspend", nullcontext)
        await c.press("ctrl+g")
        assert c.prompt.text == "afrom the editor␛[2J"
        monkeypatch.setenv("EDITOR", "false")
        await c.press("ctrl+g")
        await c.until(lambda: "the editor failed" in c.notice)
        assert c.prompt.text == "afrom the editor␛[2J"


async def test_tab_completes_commands_and_paths(server: Server, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "main.py").write_text("x = 1")
    (tmp_path / "solid").write_text("")
    async with chat(server.url, folder=tmp_path) as c:
        await c.press("/", "d", "tab")
        assert c.prompt.text == "/debug "
        await c.press("@", "s", "tab")
        assert c.prompt.text == "/debug @so" and "@solid" in c.shown and "@source/" in c.shown
        await c.press("u", "r", "tab", "tab")
        assert c.prompt.text == "/debug @source/main.py"
        assert c.prompt.has_focus


async def test_commands_and_files_go_along(server: Server, tmp_path: Path) -> None:
    (tmp_path / "trace.txt").write_text("Traceback: boom")
    (tmp_path / "binary").write_bytes(b"\0")
    server.script = [["Yes."]]
    async with chat(server.url, folder=tmp_path) as c:
        await c.ask("/debug @binary", wait=False)
        await c.until(lambda: c.notifications)
        await c.until(lambda: c.notice == "@binary: not a text file" and c.prompt.text == "/debug @binary")
        await c.ask("/debug @trace.txt")
        sent = server.requests[-1]["messages"][0]["content"]
        assert sent.startswith("Find the cause") and sent.endswith("```txt\nTraceback: boom\n```")
        await c.press("up")
        assert c.prompt.text == "/debug @trace.txt", "what was typed comes back, not what was sent"


async def test_ten_thousand_pasted_lines_do_no_harm(server: Server) -> None:
    pasted = "\n".join(f"line {number}" for number in range(10_000))
    server.script = [["Long."]]
    async with chat(server.url) as c:
        c.app.post_message(Paste(pasted))
        await c.until(lambda: c.prompt.text == pasted)
        await c.press("!")
        assert c.prompt.size.height <= 10
        await c.press("enter")
        await c.until(lambda: c.answers == ["Long."] and not c.screen.answering)
        assert "9,960 more lines" in str(c.screen.query_one(Question).content)
    assert server.requests[0]["messages"][0]["content"] == pasted + "!"


async def test_what_was_piped_in_is_in_the_prompt(server: Server) -> None:
    async with chat(server.url, text="Traceback\x1b[2J") as c:
        await c.until(lambda: c.prompt.text == "Traceback␛[2J")
        assert server.requests == []


async def test_alt_and_a_letter_is_no_letter(server: Server) -> None:
    server.script = [["Yes."]]
    async with chat(server.url) as c:
        await c.ask("How?")
        for letter in "yzx":
            c.app.post_message(Key(f"alt+{letter}", letter))
        await c.until(lambda: c.copied == ["Yes."])
        await c.pilot.pause()
        assert c.prompt.text == ""
