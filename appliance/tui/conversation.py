"""The scrolling conversation: stays at its end while the reader is there, and stays put while they read above.

Knows nothing about where answers come from.
"""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll

from appliance.tui.answer import Answer
from appliance.tui.notice import Notice
from appliance.tui.question import Question
from appliance.tui.welcome import Welcome


class Conversation(VerticalScroll):
    """Questions, answers and notices, the newest last."""

    def __init__(self, name: str, examples: Sequence[str]) -> None:
        super().__init__(can_focus=False)
        self._expert = name
        self._examples = examples

    def compose(self) -> ComposeResult:
        """Yield what an empty conversation shows."""
        # Textual scrolls an anchored container whose content is short to a negative offset: the page is never short.
        with Vertical(id="page"):
            yield Welcome(self._expert, self._examples)

    def on_mount(self) -> None:
        """Follow the end from the beginning."""
        self.anchor()

    async def add(self, question: str) -> Answer:
        """Show a question and an empty answer to it, and go to the end."""
        self.query_one(Welcome).display = False
        answer = Answer()
        await self._page.mount_all([Question(question), answer])
        self.anchor()
        return answer

    async def fail(self, answer: Answer, error: str, remedy: str) -> None:
        """Show that an answer broke off; an answer without a word makes room for the notice."""
        await self._page.mount(Notice(error, remedy))
        if not answer.text:
            await answer.remove()

    async def clear(self) -> None:
        """Empty it."""
        await self.query("Question, Answer, Notice").remove()
        self.query_one(Welcome).display = True
        self.scroll_home(animate=False)
        self.anchor()

    @property
    def _page(self) -> Vertical:
        return self.query_one("#page", Vertical)

    def turn_page(self, direction: int) -> None:
        """Scroll by a page, up (-1) or down (1)."""
        if direction < 0:
            self.scroll_page_up(animate=False)
        else:
            self.scroll_page_down(animate=False)
            # Paging at the very end would otherwise release the anchor for good.
            self.call_after_refresh(self._follow_at_end)

    def _follow_at_end(self) -> None:
        if self.is_vertical_scroll_end:
            self.anchor()
