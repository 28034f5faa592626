"""The field where questions are typed: Enter sends, Ctrl+J begins a new line.

Shift+Enter does not reach many terminals, so it isn't offered. What is pasted is sanitised before it is drawn.
"""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import TextArea

from appliance.sanitise import clean


class Prompt(TextArea):
    """The question that is being written."""

    BINDING_GROUP_TITLE = "Question"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "send", "Send", id="prompt.send", show=False),
        Binding("ctrl+j", "newline", "Newline", id="prompt.newline"),
        Binding("ctrl+z", "undo", "Undo", id="prompt.undo", show=False),
        Binding("alt+z", "redo", "Redo", id="prompt.redo", show=False),
    ]

    class Submitted(Message):
        """The user wants an answer."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self) -> None:
        super().__init__(placeholder="Ask a question", highlight_cursor_line=False)
        self.border_subtitle = "Enter sends"
        self.sendable = True
        """False from a question's sending until whoever took it is ready for the next."""

    def action_send(self) -> None:
        """Hand the question over, unless there is none or the last one is still being answered."""
        if not self.text.strip():
            return
        if not self.sendable:
            self.notify("The answer is still coming: Esc stops it.", markup=False)
            return
        self.sendable = False
        self.post_message(self.Submitted(self.text.strip()))
        self.clear()

    def action_newline(self) -> None:
        """Begin a new line."""
        self.replace("\n", *self.selection, maintain_selection_offset=False)

    async def _on_key(self, event: events.Key) -> None:
        # A binding runs in the application's own time, before letters typed earlier or after letters typed later:
        # this field's keys are taken here, in the order of typing.
        active = None if event.is_printable else self.screen.active_bindings.get(event.key)
        if active is not None and active.node is self and active.binding.id:
            event.stop()
            event.prevent_default()
            await self.run_action(active.binding.action)

    async def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        await super()._on_paste(events.Paste(clean(event.text)))
