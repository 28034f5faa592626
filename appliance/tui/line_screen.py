"""Asks for one line: a name, a file."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Label

from appliance.sanitise import clean_line


class LineScreen(ModalScreen[str | None]):
    """One line, or None where the user thought better of it."""

    BINDING_GROUP_TITLE = "Asking for a line"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Leave", id="line.leave")]

    def __init__(self, title: str, value: str = "", note: str = "") -> None:
        super().__init__()
        self._title = title
        self._value = value
        self._note = note

    def compose(self) -> ComposeResult:
        """Yield the field."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = Content(self._title)
            dialog.border_subtitle = "Enter takes it · Esc leaves"
            yield Input(clean_line(self._value), select_on_focus=False)
            if self._note:
                yield Label(Content(self._note), classes="note")

    @on(Input.Submitted)
    def take(self, event: Input.Submitted) -> None:
        """Hand the line over."""
        self.dismiss(event.value.strip() or None)
