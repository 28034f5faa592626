"""Copying and saving in the terminal UI."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from textual.widgets import OptionList

from appliance import clipboard
from appliance.tui.blocks_screen import BlocksScreen
from appliance.tui.line_screen import LineScreen

from .scripted import CODE, Server, chat

pytestmark = pytest.mark.anyio


async def test_the_last_code_block_is_copied(server: Server) -> None:
    server.script = [[CODE], ["No code here."]]
    async with chat(server.url) as c:
        await c.pilot.press("ctrl+y")
        await c.until(lambda: c.notifications == ["There is no code block yet."])
        assert c.copied == []
        await c.ask("How?")
        await c.ask("Why?")
        await c.pilot.press("ctrl+y")
        assert c.copied == ["import numpy as np\nnp.dot(a, b)\n"]


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


async def test_any_block_is_copied_or_saved_and_nothing_is_replaced(server: Server, tmp_path: Path) -> None:
    server.script = [["```python\nfirst\n```\n\n```sh\nsecond [b]\n```"], ["No code."]]
    async with chat(server.url, folder=tmp_path) as c:
        await c.press("f3")
        await c.until(lambda: c.notifications == ["There is no code block yet."])
        await c.ask("How?")
        await c.ask("Why?")
        await c.press("f3")
        await c.until(lambda: isinstance(c.app.screen, BlocksScreen))
        assert "second [b]" in str(c.app.screen.query_one(OptionList).get_option_at_index(0).prompt)
        await c.press("down", "enter")
        await c.until(lambda: c.copied == ["first\n"])
        for said in ("Saved as answer.sh.", "answer.sh: file exists"):
            await c.press("f3")
            await c.until(lambda: isinstance(c.app.screen, BlocksScreen))
            await c.press("s")
            await c.until(lambda: isinstance(c.app.screen, LineScreen))
            await c.press("enter")
            await c.until(lambda said=said: c.notice == said)
        assert (tmp_path / "answer.sh").read_text() == "second [b]\n"
        assert not (tmp_path / "answer.sh").stat().st_mode & 0o111
        await c.press("alt+y")
        await c.until(lambda: c.copied[-1] == "No code.")


def test_the_clipboard_says_what_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    xclip = tmp_path / "xclip"
    xclip.write_text(f'#!/bin/sh\ncase "$3" in -in) cat > {tmp_path}/held;; -out) cat {tmp_path}/held;; esac\n')
    xclip.chmod(0o700)
    there = clipboard.program({"DISPLAY": ":0"}, "linux")
    assert there is not None and there.name == "xclip"
    assert clipboard.copy("a\n\u00e9", there)
    xclip.write_text("#!/bin/sh\ncat > /dev/null\n")
    assert not clipboard.copy("a", there)
    assert clipboard.program({}, "linux") is None
    assert clipboard.program({"SSH_CONNECTION": "x"}, "darwin") is None
    assert clipboard.told("2 lines", there, True) == "2 lines copied (xclip, checked; and through the terminal)."
    assert "xclip did not take it" in clipboard.told("2 lines", there, False)
    assert "no clipboard program here" in clipboard.told("2 lines", None, False)


async def test_a_copy_goes_through_the_terminal(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clipboard, "program", lambda: None)
    server.script = [["Yes."]]
    async with chat(server.url) as c:
        del c.app.copy
        await c.ask("How?")
        await c.press("alt+y")
        await c.until(lambda: c.app.clipboard == "Yes.")
        await c.until(lambda: c.notifications)
        await c.until(lambda: c.notice.startswith("The answer sent to the terminal"))


async def test_text_that_is_selected_with_the_mouse_is_copied(server: Server) -> None:
    server.script = [["Select this."]]
    async with chat(server.url) as c:
        await c.ask("How?")
        await c.pilot.click("MarkdownParagraph", offset=(2, 0), times=2)
        await c.press("ctrl+c")
        await c.until(lambda: c.copied)
        assert "Select this." in c.copied[0]
        assert c.prompt.has_focus


async def test_whoever_sits_elsewhere_reaches_no_file_and_no_program(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret.txt").write_text("s3cret")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDITOR", f"touch {tmp_path}/edited #")
    monkeypatch.setattr("appliance.clipboard.program", lambda: pytest.fail("a program of the host's"))
    server.script = [[CODE]]
    async with chat(server.url, folder=None) as c:
        await c.ask(f"@secret.txt and @{tmp_path}/secret.txt?")
        assert "s3cret" not in str(server.requests)
        await c.press(*"@sec", "tab", "ctrl+g")
        assert c.prompt.text == "@sec"
        await c.press("alt+e", "alt+i")
        assert c.app.screen is c.screen
        await c.press("f3")
        await c.until(lambda: "Enter copies" in c.shown)
        await c.press("s")
        await c.until(lambda: "out of reach" in c.notice)
        del c.app.copy  # type: ignore
        c.app.copy("text", "It")
        await c.until(lambda: "It" in c.notice)
    assert [path.name for path in tmp_path.iterdir()] == ["secret.txt"]
