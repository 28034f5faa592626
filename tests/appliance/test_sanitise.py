"""What the terminal UI draws can't steer a terminal, whatever the model writes."""

from __future__ import annotations

import time
import unicodedata

import pytest
from textual.app import App
from textual.pilot import Pilot

from appliance.conversations import Message
from appliance.sanitise import MAX_LINE, Sanitiser, clean, clean_line
from appliance.tui.answer import Answer

EMPTY = Message(id=1, parent=None, role="assistant", text="")
HOSTILE = {
    "clear the screen": "before\x1b[2J\x1b[Hafter",
    "title": "\x1b]0;owned\x07",
    "clipboard": "\x1b]52;c;cm0gLXJm\x1b\\",
    "link": "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "device report": '\x1b[6n\x05\x1bP$q"p\x1b\\',
    "C1": "a\x9b31mb\x9d0;t\x9c\x90q\x85c",
    "carriage return": "harmless\rrm -rf /\r\n",
    "backspaces": "safe\x08\x08\x08\x08evil\x7f",
    "bidi override": "access = \u202e\u2066# admin\u2069 \u2066only\u2069",
    "zero width": "ze\u200bro\u200c\u200d\u2060wi\ufeffdth",
    "tags": "flag\U000e0067\U000e0062\U000e007f",
    "lone surrogate": "half \ud83d of a pair \udc00",
    "line separators": "one\u2028two\u2029three\x0bfour\x0cfive",
    "nul": "a\x00b",
    "long line": "x" * 3 * MAX_LINE,
    "long fence": "```python\n" + "y" * 2 * MAX_LINE,
    "combining": "z" + "\u0301" * 300,
}
BROKEN_MARKDOWN = {
    "table, then fence": "| a | b |\n|---|---|\n| 1 | 2 |\n```python\nx = 1\n```\n| 3 |",
    "table, then list": "| a |\n|---|\n| 1 |\n- one\n- two\n\n| b |\n|---|\n",
    "nested": ">" * 10 + " deep\n" + "\n".join("  " * level + "- item" for level in range(5)),
    "fences": "````\n```python\n~~~\n``\n````\n```\n",
    "odd labels": '```python title="x"\nx\n```\n```[b]\ny\n```\n```\x1b\nz\n```\n```   \nw',
    "markup": "[/] [b] [@click=app.bell]x[/] `[/]`\n\n# [/x] \n\n| [/] |\n|---|\n| [/] |\n",
    "html": "<div>a</div>\n<script>alert(1)</script> a <class 'int'> &#27;[31m &#x9b; &lrm;",
    "links": "[a](javascript:alert) [b](http://x/'\"\\)) ![c](file:///etc/passwd) <http://y> [d]: z\n[d]",
    "headings": "# \n## \u200b\n### 标题 \U0001f600 %\n#### a.b[c]\nsetext\n===\n",
    "numbers": "999999999. a\n1000000000. b\n0) c",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_clean_text_holds_nothing_that_steers(name: str) -> None:
    text = clean(HOSTILE[name])
    categories = {unicodedata.category(character) for character in text if character != "\n"}
    assert not categories & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert max(len(line) for line in text.split("\n")) <= MAX_LINE
    text.encode()


def test_what_was_there_stays_visible() -> None:
    assert clean("a\x1b[31mb\x9bc\td\r\ne\u202ef") == "a␛[31mb\ufffdc    d\nef"
    assert clean("naïve — 数 🙂\n\n```") == "naïve — 数 🙂\n\n```"


@pytest.mark.parametrize("name", [*HOSTILE, *BROKEN_MARKDOWN])
def test_pieces_give_what_the_whole_gives(name: str) -> None:
    text = (HOSTILE | BROKEN_MARKDOWN)[name]
    for step in (1, 7, MAX_LINE - 1):
        sanitiser = Sanitiser()
        assert "".join(sanitiser.feed(text[at : at + step]) for at in range(0, len(text), step)) == clean(text)


def test_long_lines_lose_nothing_and_take_no_time() -> None:
    text = "".join(chr(ord("a") + number % 26) for number in range(2_000_000))
    began = time.perf_counter()
    assert clean(text).replace("\n", "") == text
    assert time.perf_counter() - began < 5


def test_a_clean_line_is_one_short_line() -> None:
    assert clean_line(" a\n\tb\x1b ") == "a b␛"
    assert clean_line("x" * 50, 10) == "x" * 9 + "…"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Answers(App[None]):
    """One answer after the other, and nothing else."""

    async def draw(self, pilot: Pilot[None], text: str, step: int) -> str:
        """Stream a text in pieces of `step` characters; returns the screen at the end, harmless at every moment."""
        answer = Answer(EMPTY)
        await self.mount(answer)
        sanitiser = Sanitiser()
        for at in range(0, len(text), step):
            await answer.feed(sanitiser.feed(text[at : at + step]))
            await pilot.pause(0)
            self.check()
        await answer.finish(EMPTY.model_copy(update={"state": "stopped"}))
        await pilot.pause()
        drawn = self.check()
        await answer.remove()
        return drawn

    def check(self) -> str:
        """The screen's text, in which nothing may steer a terminal."""
        lines = [strip.text for strip in self.screen._compositor.render_strips()]
        assert not {unicodedata.category(character) for character in "".join(lines)} & {"Cc", "Cs", "Cf", "Zl", "Zp"}
        return "\n".join(lines)


@pytest.mark.anyio
async def test_hostile_answers_are_drawn_harmless() -> None:
    app = Answers()
    async with app.run_test(size=(80, 24)) as pilot:
        for text in HOSTILE.values():
            assert "stopped" in await app.draw(pilot, text, max(1, len(text) // 3)) or len(text) > MAX_LINE


@pytest.mark.anyio
@pytest.mark.parametrize("name", BROKEN_MARKDOWN)
async def test_broken_markdown_is_drawn_the_same_in_any_pieces(name: str) -> None:
    text = BROKEN_MARKDOWN[name]
    app = Answers()
    async with app.run_test(size=(80, 24)) as pilot:
        whole = await app.draw(pilot, text, len(text))
        assert await app.draw(pilot, text, max(1, len(text) // 25)) == whole


@pytest.mark.anyio
async def test_html_and_module_names_are_shown_as_text() -> None:
    app = Answers()
    text = "It is a <class 'int'> of numpy.ma, see <b>here</b>."
    async with app.run_test(size=(80, 24)) as pilot:
        assert text in await app.draw(pilot, text, len(text))
        await app.mount(answer := Answer(EMPTY))
        await answer.feed(text)
        await answer.finish(EMPTY)
        assert "@click" not in repr(answer.query_one("MarkdownParagraph").render())
