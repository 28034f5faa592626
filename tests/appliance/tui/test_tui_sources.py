"""What comes with an answer: passages, marks where they bear something out, and what of its code doesn't exist."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Label, Markdown, OptionList, Select

from appliance.conversations import Message, Store, Thread
from appliance.conversations.evidence import Evidence
from appliance.conversations.exchange import as_json, import_file
from appliance.tui.answer import Answer
from appliance.tui.options_screen import OptionsScreen
from appliance.tui.sources_screen import SourcesScreen
from appliance.wire import REPAIRED, Citation, CodeCheck, Done, Finding, Source, Timings, Usage

from .scripted import Chat, Server, chat

pytestmark = pytest.mark.anyio
SENTENCE = "Return a sorted copy of an array."
CODE = "\n\n```python\nimport numpy as np\nnp.sorted_copy([2, 1])\n```\n"
PAGE = "https://numpy.org/doc/stable/reference/generated/numpy.sort.html"
SOURCES = [
    {
        "number": 1,
        "title": "numpy.sort",
        "package": "numpy",
        "version": "2.4.6",
        "licence": "BSD-3-Clause",
        "url": PAGE,
        "text": f"numpy.sort(a, axis=-1)\n{SENTENCE}",
    },
    {"number": 2, "title": "numpy.\x1b[31margsort", "package": "numpy", "url": "", "text": "Indices \x1b]0;x\x07 [b]"},
]
CHECK = {
    "block": 0,
    "start": 40,
    "end": 80,
    "findings": [
        {"line": 2, "name": "numpy.sorted_copy", "problem": "no-such-attribute", "nearest": "numpy.sort\x1b[2J"}
    ],
}


def reading(*, gate: threading.Event | None = None) -> list[str | threading.Event | dict[str, Any]]:
    """The script of an answer that read documentation."""
    nothing: dict[str, Any] = {"delta": {}, "finish_reason": None}
    cited = {"start_index": 0, "end_index": len(SENTENCE), "url": PAGE, "title": "numpy.sort", "number": 1}
    annotation = {"type": "url_citation", "url_citation": cited}
    return [
        {"choices": [nothing], "sources": SOURCES},
        SENTENCE,
        CODE,
        {"choices": [{**nothing, "checks": [CHECK]}]},
        *([gate] if gate else []),
        {"choices": [{**nothing, "delta": {"annotations": [annotation]}}]},
    ]


def evidence_line(c: Chat) -> str:
    label = c.screen.query(Answer).last().query_one(".evidence", Label)
    return str(label.content) if label.display else ""


async def test_findings_come_with_their_block_and_sources_at_the_end(server: Server) -> None:
    gate = threading.Event()
    server.script = [reading(gate=gate)]
    async with chat(server.url) as c:
        await c.ask("Sort?", wait=False)
        await c.until(lambda: "doesn't exist" in evidence_line(c))
        assert c.screen.answering and "Sources" not in evidence_line(c)
        gate.set()
        await c.until(lambda: not c.screen.answering)
        assert evidence_line(c) == (
            "⚠ block 1, line 2: numpy.sorted_copy doesn't exist; there is numpy.sort␛[2J\n"
            "Sources: [1] numpy.sort · [2] numpy.␛[31margsort"
        )
        answer = c.screen.query(Answer).last()
        assert f"{SENTENCE} [1]" in answer.query_one(Markdown).source
        assert answer.text == SENTENCE + CODE == c.texts[1]


async def test_a_repaired_answer_is_shown_as_one(server: Server, tmp_path: Path) -> None:
    server.script = [["Sorted.", {"choices": [], "repaired": True}], ["Plainly."]]
    place = tmp_path / "conversations.db"
    async with chat(server.url, place=place) as c:
        await c.ask("Sort?")
        assert evidence_line(c) == REPAIRED
        await c.press("f9")
        await c.until(lambda: isinstance(c.app.screen, SourcesScreen) and "was repaired" in c.shown)
        await c.press("escape")
        await c.ask("And?")
        assert evidence_line(c) == ""
    async with chat(server.url, place=place, open=1) as c:
        assert [str(label.content) for label in c.screen.query(".evidence").results(Label) if label.display] == [
            REPAIRED
        ]


async def test_an_answer_that_is_gone_on_with_has_them_where_they_stand_in_the_whole(server: Server) -> None:
    nothing: dict[str, Any] = {"delta": {}, "finish_reason": None}
    begun, cited = "Well.\n\n", {"start_index": 7, "end_index": 7 + len(SENTENCE), "number": 1, "title": "numpy.sort"}
    annotation = {"type": "url_citation", "url_citation": cited}
    script = [{"choices": [nothing], "sources": SOURCES}, SENTENCE]
    server.script = [[begun], [*script, {"choices": [{**nothing, "delta": {"annotations": [annotation]}}]}]]
    server.finish_reason = "length"
    async with chat(server.url) as c:
        await c.ask("Sort?")
        server.finish_reason = "stop"
        await c.press("f4")
        await c.until(lambda: c.answers == [begun + SENTENCE] and not c.screen.answering)
        assert f"{begun}{SENTENCE} [1]" in c.screen.query(Answer).last().query_one(Markdown).source


async def test_they_are_there_again_when_the_conversation_is(server: Server, tmp_path: Path) -> None:
    server.script = [reading()]
    place = tmp_path / "conversations.db"
    async with chat(server.url, place=place) as c:
        await c.ask("Sort?")
    async with chat(server.url, place=place, open=1) as c:
        assert "Sources: [1] numpy.sort" in evidence_line(c)
        await c.press("alt+y")
        assert c.copied == [SENTENCE + CODE]


async def test_the_pane_shows_them_and_opens_pages_only_by_its_key(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.script = [reading(), ["Plainly."]]
    async with chat(server.url) as c:
        opened: list[str] = []
        copied: list[str] = []
        monkeypatch.setattr(c.app, "open_url", opened.append)
        monkeypatch.setattr(c.app, "copy_to_clipboard", copied.append)
        await c.ask("Sort?")
        await c.press("f9")
        await c.until(lambda: isinstance(c.app.screen, SourcesScreen))
        for said in ("[1] numpy.sort", "BSD-3-Clause", "cited", "[2] numpy.␛[31margsort", "numpy.sorted_copy doesn't"):
            assert said in c.shown
        await c.press("down", "home", "enter")
        assert copied == [PAGE] and opened == []
        await c.press("o")
        assert opened == [PAGE]
        await c.press("down", "o", "enter")
        assert opened == [PAGE] and copied == [PAGE]
        await c.press("escape")
        await c.ask("And?")
        await c.press("f9")
        await c.until(lambda: "read no documentation" in c.notice)
        await c.press("ctrl+up", "ctrl+up", "ctrl+up", "f9")
        await c.until(lambda: isinstance(c.app.screen, SourcesScreen))


async def test_in_a_browser_no_page_is_opened(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.script = [reading()]
    async with chat(server.url, folder=None) as c:
        monkeypatch.setattr(c.app, "open_url", lambda url: pytest.fail("opened"))
        await c.ask("Sort?")
        await c.press("f9")
        await c.until(lambda: isinstance(c.app.screen, SourcesScreen))
        await c.press("o")
        assert "O opens" not in c.shown


@pytest.mark.parametrize("url", ["javascript:alert(1)", "file:///etc/passwd", "https://", "http://[", "", "mailto:a@b"])
async def test_what_is_no_page_of_the_web_is_never_opened(
    server: Server, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    async with chat(server.url) as c:
        monkeypatch.setattr(c.app, "open_url", lambda url: pytest.fail("opened"))
        monkeypatch.setattr(c.app, "copy_to_clipboard", lambda url: pytest.fail("copied"))
        source = Source(1, "numpy.sort", url=url, text="x")
        c.app.push_screen(SourcesScreen(Evidence(sources=(source,)), opens=True))
        await c.until(lambda: isinstance(c.app.screen, SourcesScreen))
        c.app.screen.query_one(OptionList).highlighted = 0
        for key in ("o", "enter"):
            c.app.clear_notifications()
            await c.press(key)
            await c.until(lambda: c.notice)


async def test_a_conversation_may_read_or_answer_from_memory(server: Server) -> None:
    server.script = [["One."], ["Two."], ["Three."]]
    async with chat(server.url) as c:
        await c.ask("How?")
        for choice, wanted in (("read", True), ("skip", False)):
            await c.press("f6")
            await c.until(lambda: isinstance(c.app.screen, OptionsScreen))
            c.app.screen.query_one("#grounding", Select).value = choice
            await c.press("ctrl+s")
            await c.until(lambda: not isinstance(c.app.screen, OptionsScreen))
            await c.ask("How?")
            assert server.requests[-1]["grounding"] is wanted
        assert "grounding" not in server.requests[0]


async def test_a_server_that_sends_no_end_of_checks_breaks_nothing(server: Server) -> None:
    nothing: dict[str, Any] = {"delta": {}, "finish_reason": None}
    server.script = [["Like so.", *({"choices": [{**nothing, "checks": [CHECK]}]} for _ in range(300))]]
    async with chat(server.url) as c:
        await c.ask("Sort?")
        assert c.texts[1] == "Like so." and c.answers == ["Like so."]
        assert len(evidence_line(c).splitlines()) < 20


def done(**more: Any) -> Done:
    return Done("stop", Usage(), Timings(), False, **more)


def test_marks_need_the_text_that_they_were_made_for() -> None:
    citations = (Citation(0, 5, 1),)
    assert Evidence.of(done(citations=citations), in_place=True).cited == {1}
    assert not Evidence.of(done(citations=citations), in_place=False).citations
    endless = (Source(1, "x", text="y" * 600_000),)
    assert Evidence.of(done(sources=endless), in_place=True) == Evidence()
    assert Evidence.of(done(checks=(CodeCheck(0, 0, 1),) * 500), in_place=True) == Evidence()


def test_it_is_kept_exported_and_read_back_and_damage_costs_no_answer(tmp_path: Path) -> None:
    found = Evidence(
        sources=(Source(1, "numpy.sort", url=PAGE, text="x"),),
        citations=(Citation(0, 5, 1),),
        checks=(CodeCheck(0, 0, 1, (Finding(1, "a.b", "no-such-attribute"),)),),
    )
    with Store(tmp_path / "a.db") as store:
        thread = Thread(store)
        draft = thread.ask("How?")
        draft.feed("Like so.")
        thread.end(draft, "whole", evidence=found)
        assert Thread.open(store, 1).path[1].evidence == found
        assert found.findings() == ["block 1, line 1: a.b doesn't exist"]
        (tmp_path / "out.json").write_text(as_json(store, [store.conversation(1)]))
        (added,) = import_file(store, tmp_path / "out.json")
        assert Thread.open(store, added).path[1].evidence == found
        with store.writing():
            store._connection.execute("UPDATE message SET evidence = '{\"sources\": [1'")
        damaged: Message = Thread.open(store, 1).path[1]
        assert damaged.text == "Like so." and damaged.evidence == Evidence()
