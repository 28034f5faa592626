"""What the terminal UI shows: status, help, palette, sizes, themes."""

from __future__ import annotations

import gc
import re
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import pytest
from textual.binding import Binding
from textual.widgets._footer import FooterKey
from textual.widgets._toast import Toast

from appliance.settings import ChatSettings
from appliance.tui.app import OWNERS
from appliance.tui.help_screen import HelpScreen
from appliance.tui.welcome import Example
from bundle.errors import SettingsError

from .scripted import CODE, Server, chat

pytestmark = pytest.mark.anyio


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
            "83.1 tok/s",
            "136 of 2,048 tok",
            "Quit",
        ):
            assert text in c.shown
        for widget in c.screen.query("ExpertHeader, Conversation, Prompt, StatusLine, Footer"):
            assert c.screen.region.contains_region(widget.region)
            assert widget.region.area


@pytest.mark.parametrize("size", [(80, 24), (100, 30)])
async def test_a_notice_hides_nothing_that_is_typed(server: Server, size: tuple[int, int]) -> None:
    server.script = [[held := threading.Event()]]
    async with chat(server.url, size) as c:
        await c.ask("How?", wait=False)
        await c.pilot.press("w", "h", "y", *["enter"] * 5)
        await c.until(lambda: "still coming" in c.shown)
        (toast,) = c.screen.query(Toast)
        assert not toast.region.overlaps(c.prompt.region)
        assert c.screen.region.contains_region(toast.region)
        held.set()
        await c.until(lambda: not c.screen.answering)


async def test_keys_that_are_shown_no_more_are_let_go_of(server: Server) -> None:
    async with chat(server.url) as c:
        await c.until(lambda: "Commands" in c.shown)
        shown = [weakref.ref(key) for key in c.screen.query(FooterKey)]
        assert shown
        for question in ("One?", "Two?"):  # the key that stops an answer comes and goes
            await c.ask(question)
        await c.pilot.pause()

        def gone() -> bool:
            gc.collect()
            return not any(key() for key in shown)

        await c.until(gone)


async def test_help_lists_every_binding_and_every_binding_has_an_id(server: Server) -> None:
    async with chat(server.url) as c:
        await c.pilot.press("f1")
        await c.until(lambda: isinstance(c.app.screen, HelpScreen))
        shown = c.shown
        bindings = [binding for owner in OWNERS for binding in owner.BINDINGS]
        identities = [binding.id for binding in bindings if isinstance(binding, Binding) and binding.id]
        assert len(set(identities)) == len(bindings)
        page = c.app.screen.query_one("#help")
        while page.scroll_y < page.max_scroll_y:
            await c.press("pagedown")
            shown += c.shown
        for identity in identities:
            assert identity in shown
        await c.pilot.press("escape")
        await c.until(lambda: c.app.screen is c.screen)


async def test_the_palette_offers_textuals_themes(server: Server) -> None:
    async with chat(server.url) as c:
        assert c.app.theme == "boffin"
        await c.pilot.press("ctrl+p")
        await c.until(lambda: "Copy answer" in c.shown)
        await c.pilot.press(*"theme", "enter")
        await c.until(lambda: "nord" in c.shown or "dracula" in c.shown)


def test_the_screenshot_shows_the_real_application(server: Server, tmp_path: Path) -> None:
    server.script = [[CODE], [" | zeros |\n\n" + CODE]]
    script = Path(__file__).parents[3] / "scripts" / "screenshots.py"
    command = [sys.executable, str(script), "--url", server.url, "--question", "How, then?", "--out", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    states = ("empty", "streaming", "palette", "help", "options", "long", "blocks", "search", "small", "contrast")
    for state in states:
        assert "</svg>" in (tmp_path / f"chat-{state}.svg").read_text()
    assert "linspace" in (tmp_path / "chat-long.svg").read_text()
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


async def test_keys_are_rebound_by_the_settings(server: Server) -> None:
    server.script = [["One."], ["Two."]]
    async with chat(server.url, settings=ChatSettings(keys={"chat.again": "ctrl+k,f5", "app.help": "ctrl+l"})) as c:
        await c.ask("How?")
        await c.press("f5")
        await c.until(lambda: c.answers == ["Two."] and not c.screen.answering)
        await c.press("ctrl+l")
        await c.until(lambda: isinstance(c.app.screen, HelpScreen))
        page = c.app.screen.query_one("#help")
        page.scroll_end(animate=False, immediate=True)
        page.scroll_to(y=12, animate=False, immediate=True)
        await c.until(lambda: "^k f5" in c.shown)


async def test_a_mistake_in_the_settings_is_one_line(server: Server) -> None:
    for settings, said in (
        (ChatSettings(keys={"chat.agian": "f5"}), "no action has the id 'chat.agian'; did you mean 'chat.again'?"),
        (ChatSettings(keys={"app.help": "f8"}), "'f8' is taken by 'chat.bad'"),
        (ChatSettings(theme="pink"), "no theme is called 'pink'"),
    ):
        with pytest.raises(SettingsError, match=re.escape(said)):
            async with chat(server.url, settings=settings):
                pass


@pytest.mark.parametrize("theme", ["boffin-contrast", "ansi-dark", "textual-light"])
async def test_every_state_is_told_without_colour(server: Server, theme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    server.script = [["One."], ["Two."]]
    async with chat(server.url, settings=ChatSettings(theme=theme)) as c:
        await c.ask("How?")
        await c.press("ctrl+r")
        await c.until(lambda: c.answers == ["Two."] and not c.screen.answering)
        await c.press("f7")
        await c.until(lambda: "‹ 2 of 2 › · ▲ good" in c.shown)
        assert "● pocket" in c.shown


async def test_sixteen_colours_get_the_terminals_own(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLORTERM")
    monkeypatch.setenv("TERM", "linux")
    server.script = [["Call `sort`."]]
    async with chat(server.url) as c:
        assert c.app.theme == "ansi-dark"
        await c.ask("How?")
        styles = [block.get_component_styles("code_inline") for block in c.app.query("Answer MarkdownParagraph")]
        assert styles and all(one.color != one.background for one in styles)


async def test_the_queue_is_told_while_a_question_waits(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.tui.status.HEALTH_EVERY", 0.05)
    gate = threading.Event()
    server.script = [[gate, "Yes."]]
    async with chat(server.url) as c:
        await c.ask("How?", wait=False)
        await c.until(lambda: c.status("answer") == "reading the question · Esc stops")
        server.health["queue"] = 3
        await c.until(lambda: c.status("answer") == "waiting, 3 in the queue · Esc stops")
        gate.set()
        await c.until(lambda: not c.screen.answering)
