"""One answer in the conversation: its Markdown as it streams in, and a line that says how it ended.

Knows nothing about HTTP or the store: whoever reads the stream feeds it.
"""

from __future__ import annotations

import gc

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Label, Markdown
from textual.widgets.markdown import MarkdownStream

from appliance.conversations import Message
from appliance.conversations.evidence import MAX_CHECKS, Evidence
from appliance.sanitise import clean, clean_line
from appliance.tui.markdown import ExpertMarkdown
from appliance.tui.news import Selected
from appliance.wire import REPAIRED, CodeCheck, marked

WAITING = "…"
ENDINGS = {"stopped": "stopped", "cut": "cut off at the longest answer", "failed": "broken off"}
"""How an answer ended, where that is worth a line."""
FINDINGS = 8
"""Lines about code, at most, below an answer."""
VOTES = {1: "▲ good", -1: "▼ bad"}


class Answer(Vertical):
    """An answer of the expert."""

    def __init__(self, message: Message, place: tuple[int, int] = (1, 1)) -> None:
        """`place` is which of the answers to its question it is, and how many there are."""
        super().__init__()
        self.message = message
        self.text = clean(message.text)
        """What came so far, sanitised."""
        self._place = place
        self._note = ""
        self._markdown = ExpertMarkdown(self._drawn())
        self._evidence = Label("", classes="evidence", markup=False)
        self._ending = Label("", classes="ending", markup=False)
        self._stream: MarkdownStream | None = None
        self._checks: tuple[CodeCheck, ...] = ()

    def compose(self) -> ComposeResult:
        """Yield the text, what came with it, and the line below."""
        yield self._markdown
        yield self._evidence
        yield self._ending

    def on_mount(self) -> None:
        """Say how it ended, or that it is awaited."""
        self._show_ending()
        self._show_evidence(self.message.evidence)

    def on_click(self, event: events.Click) -> None:
        """Select it."""
        self.post_message(Selected(self.message.id))

    @on(Markdown.LinkClicked)
    def copy_link(self, event: Markdown.LinkClicked) -> None:
        """A link is never opened: its address goes to the clipboard."""
        self.app.copy_to_clipboard(clean_line(event.href, 2_000))

    def show(self, message: Message, place: tuple[int, int]) -> None:
        """Show another state of the same answer: a vote, say."""
        self.message, self._place = message, place
        self._show_ending()

    async def feed(self, text: str) -> None:
        """Show the next piece, sanitised; pieces that come faster than they can be drawn are drawn together."""
        if self._stream is None:
            self._ending.display = False
            self._stream = Markdown.get_stream(self._markdown)
        self.text += text
        await self._stream.write(text)

    def add_check(self, check: CodeCheck) -> None:
        """Show at once what of a code block that has just closed doesn't exist."""
        others = (one for one in self._checks if one.block != check.block)  # one that is gone on with is told again
        self._checks = (*others, check)[:MAX_CHECKS]
        self._show_evidence(Evidence(checks=self._checks))

    async def finish(self, message: Message, note: str = "") -> None:
        """Draw the whole once more, so that nothing is left half-parsed, and say how it ended."""
        streamed, self._stream = self._stream, None
        self.message, self._note = message, note
        if streamed is not None:
            await streamed.stop()
            await self._markdown.update(self._drawn())
        self._show_ending()
        self._show_evidence(message.evidence)
        self.call_after_refresh(clear_away)

    def _drawn(self) -> str:
        """The text, with the number of its passage after what one bears out."""
        citations = self.message.evidence.citations
        return clean(marked(self.message.text, citations)) if citations else self.text

    def _show_evidence(self, evidence: Evidence) -> None:
        findings = evidence.findings()
        lines = [f"⚠ {clean_line(line, 200)}" for line in findings[:FINDINGS]]
        if len(findings) > FINDINGS:
            lines.append(f"⚠ and {len(findings) - FINDINGS:,} more")
        if evidence.repaired:
            lines.append(REPAIRED)
        if evidence.sources:
            titles = [f"[{source.number}] {clean_line(source.title, 60)}" for source in evidence.sources]
            lines.append(f"Sources: {' · '.join(titles)}")
        self._evidence.update("\n".join(lines))
        self._evidence.display = bool(lines)

    def _show_ending(self) -> None:
        message = self.message
        facts = [ENDINGS.get(message.state, ""), "from cache" if message.figures.cached else "", self._note]
        facts += [branch(self._place), VOTES.get(message.vote, "")]
        if message.state == "writing":
            facts = [WAITING]
        line = " · ".join(fact for fact in facts if fact)
        self._ending.update(line)
        self._ending.display = bool(line)


def clear_away() -> None:
    """Look for garbage, where what was there at the start isn't looked at (gc.freeze): widgets that are gone hold one
    another, and Python by itself looks so rarely that a long chat stopped for seconds when it did."""
    if gc.get_freeze_count():
        gc.collect()


def branch(place: tuple[int, int]) -> str:
    """Which of several it is; empty where there is one."""
    return f"‹ {place[0]} of {place[1]} ›" if place[1] > 1 else ""
