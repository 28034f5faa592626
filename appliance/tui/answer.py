"""One answer in the conversation: its Markdown as it streams in, and a line that says how it ended.

Knows nothing about HTTP: whoever reads the stream feeds it.
"""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Label, Markdown
from textual.widgets.markdown import MarkdownStream

from appliance.sanitise import Sanitiser
from appliance.tui.markdown import ExpertMarkdown

WAITING = "…"


class Answer(Vertical):
    """An answer of the expert."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        """What came so far, sanitised."""
        self._sanitiser = Sanitiser()
        self._markdown = ExpertMarkdown()
        self._ending = Label(WAITING, classes="ending", markup=False)
        self._stream: MarkdownStream | None = None

    def compose(self) -> ComposeResult:
        """Yield the text and the line below it."""
        yield self._markdown
        yield self._ending

    async def feed(self, delta: str) -> None:
        """Show the next piece; pieces that come faster than they can be drawn are drawn together."""
        if self._stream is None:
            self._ending.display = False
            self._stream = Markdown.get_stream(self._markdown)
        text = self._sanitiser.feed(delta)
        self.text += text
        await self._stream.write(text)

    async def finish(self, ending: str = "") -> None:
        """Draw the whole once more, so that nothing is left half-parsed, and show `ending` below it."""
        if self._stream is not None:
            await self._stream.stop()
            self._stream = None
            await self._markdown.update(self.text)
        self._ending.update(ending)
        self._ending.display = bool(ending)
