"""Asks for a text of several lines: a better answer."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Label, TextArea

from appliance.sanitise import clean


class CleanTextArea(TextArea):
    """A field of several lines, into which nothing is pasted that steers a terminal."""

    async def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        await super()._on_paste(events.Paste(clean(event.text)))


class TextScreen(ModalScreen[str | None]):
    """A text, perhaps an empty one, or None where the user thought better of it."""

    BINDING_GROUP_TITLE = "Writing a better answer"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "take", "Keep it", id="text.take", priority=True),
        Binding("escape", "dismiss(None)", "Leave", id="text.leave", priority=True),
    ]

    def __init__(self, title: str, value: str = "", note: str = "") -> None:
        super().__init__()
        self._title = title
        self._value = value
        self._note = note

    def compose(self) -> ComposeResult:
        """Yield the field."""
        with Vertical(classes="dialog tall") as dialog:
            dialog.border_title = Content(self._title)
            dialog.border_subtitle = "Ctrl+S keeps it · Esc leaves"
            yield CleanTextArea(clean(self._value))
            if self._note:
                yield Label(Content(self._note), classes="note")

    def action_take(self) -> None:
        """Hand the text over."""
        self.dismiss(self.query_one(TextArea).text.strip())
