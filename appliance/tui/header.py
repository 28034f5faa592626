"""The header: the expert's name, and the conversation's."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Label

from appliance.sanitise import clean_line


class ExpertHeader(Horizontal):
    """One line at the top of the chat."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._expert = clean_line(name, 60)
        self._title = Label("", id="title", markup=False)

    def compose(self) -> ComposeResult:
        """Yield the names, and the program's."""
        yield Label(Content.assemble(("◆ ", "$primary"), Content(self._expert).stylize("bold")), id="expert")
        yield self._title
        yield Label("boffin", id="program")

    def show(self, title: str) -> None:
        """Show a conversation's name; empty before its first question."""
        self._title.update(clean_line(title))
