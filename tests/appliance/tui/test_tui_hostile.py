"""Whatever a model writes, in whatever pieces: nothing of it reaches the terminal raw, and nothing breaks."""

from __future__ import annotations

import asyncio
import io
import re
import unicodedata
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console
from textual.app import App
from textual.pilot import Pilot

from appliance.code_blocks import code_blocks
from appliance.conversations import Message
from appliance.sanitise import MAX_LINE, Sanitiser, clean, clean_line
from appliance.tui.answer import Answer
from appliance.tui.question import Question
from boffin.rendering import BlockPrinter

from ..test_sanitise import BROKEN_MARKDOWN, HOSTILE
from .scripted import Server, chat

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
"""The one kind of escape sequence that a terminal may get from what is drawn."""
STEERING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

ODD = "\x1b[]0;52\x07\x9b\x9d\\\u202e\u2066\u200b\ufeff\x00\r\n\t\b\x7fab`|-*_#>!()&x"
MARKS = ["```python\n", "```\n", "| a | b |\n|---|---|\n", "\n\n", "> ", "1. ", "- ", "&#27;[2J", "&lrm;", "<!--"]
pieces = st.one_of(
    st.sampled_from([*HOSTILE.values(), *BROKEN_MARKDOWN.values()]),
    st.text(st.sampled_from(ODD), max_size=60),
    st.text(st.characters(), max_size=40),
    st.sampled_from(MARKS),
)
answers = st.lists(pieces, min_size=1, max_size=8)
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def steering(text: str) -> set[str]:
    """The kinds of characters in a text that could steer a terminal."""
    return {unicodedata.category(one) for one in text if one != "\n"} & STEERING


@given(answers)
@settings(patient, max_examples=200)
def test_cleaned_text_is_harmless_however_it_was_cut(parts: list[str]) -> None:
    sanitiser = Sanitiser()
    text = "".join(map(sanitiser.feed, parts))
    assert text == clean("".join(parts))
    assert not steering(text)
    assert max(len(line) for line in text.split("\n")) <= MAX_LINE
    line = clean_line(text, 80)
    assert len(line) <= 80 and "\n" not in line and not steering(line)
    for block in code_blocks(text):
        assert block.code.strip("\n") in text.replace("\n\n", "\n") or block.code


@given(answers)
@settings(patient, max_examples=100)
def test_a_rendered_answer_has_colours_and_nothing_else(parts: list[str]) -> None:
    out = io.StringIO()
    printer = BlockPrinter(Console(file=out, force_terminal=True, color_system="truecolor", width=60))
    sanitiser = Sanitiser()
    for part in parts:
        printer.feed(sanitiser.feed(part))
    printer.finish()
    assert not steering(COLOURS.sub("", out.getvalue()))


class Answers(App[None]):
    """Questions and answers, and nothing else."""

    async def draw(self, pilot: Pilot[None], parts: Sequence[str]) -> None:
        """Stream an answer to a question of the same text; harmless at every moment."""
        message = Message(id=1, parent=None, role="assistant", text="")
        question, answer = Question(message.model_copy(update={"text": clean("".join(parts))})), Answer(message)
        await self.mount(question, answer)
        sanitiser = Sanitiser()
        for part in parts:
            await answer.feed(sanitiser.feed(part))
            await pilot.pause(0)
            self.check()
        await answer.finish(message.model_copy(update={"state": "whole"}))
        await pilot.pause()
        self.check()
        await self.screen.remove_children()

    def check(self) -> None:
        """What the terminal would get: text, and colours."""
        strips = self.screen._compositor.render_strips()
        sent = "\n".join(strip.render(self.console) for strip in strips)
        assert not steering(COLOURS.sub("", sent)), sent


async def _draw(examples: Sequence[Sequence[str]]) -> None:
    app = Answers()
    async with app.run_test(size=(80, 24)) as pilot:
        for parts in examples:
            await app.draw(pilot, parts)


@given(st.lists(answers, min_size=3, max_size=3))
@settings(patient, max_examples=15)
def test_whatever_streams_in_is_drawn_harmless(examples: list[list[str]]) -> None:
    asyncio.run(_draw(examples))


@pytest.mark.anyio
async def test_five_megabytes_are_cut_off_and_the_chat_goes_on(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.tui.answering.MAX_ANSWER", 30_000)
    paragraph = "All work and no play makes **Jack** a `dull` boy. \x1b[2J\n" * 8 + "\n"
    server.script = [[paragraph * 10] * (5_000_000 // len(paragraph) // 10 + 1), ["Fine."]]
    async with chat(server.url) as c:
        await c.ask("How?")
        assert c.ending.startswith("cut off")
        assert len(c.texts[-1]) < 100_000 and "\x1b" not in c.shown
        await c.ask("And now?")
        assert c.answers[-1] == "Fine."
