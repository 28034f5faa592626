"""The field where questions are typed: Enter sends, Ctrl+J begins a line, ↑ brings earlier questions, Tab completes.

Shift+Enter does not reach many terminals, so it isn't offered. What is pasted is sanitised before it is drawn.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from textual import events
from textual.app import SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import TextArea

from appliance.sanitise import clean, clean_line
from appliance.tui.completion import complete
from appliance.tui.editor import edited, editor
from bundle.errors import SettingsError


class Prompt(TextArea):
    """The question that is being written."""

    BINDING_GROUP_TITLE = "Question"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "send", "Send", id="prompt.send", show=False),
        Binding("ctrl+j", "newline", "Newline", id="prompt.newline", show=False),
        Binding("up", "earlier", "Earlier question", id="prompt.earlier", show=False),
        Binding("down", "later", "Later question", id="prompt.later", show=False),
        Binding("tab", "complete", "Complete a /command or @path", id="prompt.complete", show=False),
        Binding("ctrl+g", "editor", "Editor", id="prompt.editor", show=False, tooltip="Write it in your own editor"),
        Binding("ctrl+z", "undo", "Undo", id="prompt.undo", show=False),
        Binding("alt+z", "redo", "Redo", id="prompt.redo", show=False),
    ]

    class Submitted(Message):
        """The user wants an answer."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, commands: Iterable[str] = (), folder: Path = Path()) -> None:
        """`commands` are completed after a slash, paths below `folder` after an @."""
        super().__init__(placeholder="Ask a question", highlight_cursor_line=False)
        self.border_subtitle = "Enter sends · Ctrl+J new line"
        self.sendable = True
        """False from a question's sending until whoever took it is ready for the next."""
        self.asked: list[str] = []
        """Earlier questions, the newest last."""
        self._commands = tuple(commands)
        self._folder = folder
        self._place = 0
        self._begun = ""

    def fill(self, text: str) -> None:
        """Put a text in, to be gone on with."""
        self.text = clean(text)
        self.move_cursor(self.document.end)
        self.focus()

    def action_send(self) -> None:
        """Hand the question over, unless there is none or the last one is still being answered."""
        if not self.text.strip():
            return
        if not self.sendable:
            self.notify("The answer is still coming: Esc stops it.", markup=False)
            return
        self.sendable = False
        text = self.text.strip()
        self.remember(text)
        self.post_message(self.Submitted(text))
        self.clear()

    def remember(self, text: str) -> None:
        """Make a question the newest of the history."""
        self.asked = [one for one in self.asked if one != text] + [text]
        self._place = 0

    def action_newline(self) -> None:
        """Begin a new line."""
        self.replace("\n", *self.selection, maintain_selection_offset=False)

    def action_earlier(self) -> None:
        """Go up a line; from the first one, to the question before."""
        if self.cursor_location[0] > 0 or self._place >= len(self.asked):
            self.action_cursor_up()
            return
        if self._place == 0:
            self._begun = self.text
        self._recall(self._place + 1)

    def action_later(self) -> None:
        """Go down a line; from the last one, to the question after."""
        if self.cursor_location[0] < self.document.line_count - 1 or self._place == 0:
            self.action_cursor_down()
            return
        self._recall(self._place - 1)

    def action_complete(self) -> None:
        """Complete the word before the cursor as far as it is certain, and show what it may become."""
        row, column = self.cursor_location
        completion = complete(self.get_text_range((0, 0), (row, column)), self._commands, self._folder)
        if completion.common != completion.word:
            self.replace(completion.common, (row, column - len(completion.word)), (row, column))
        several = len(completion.candidates) > 1
        self.show_title("  ".join(one.strip() for one in completion.candidates[:12]) if several else "")

    def action_editor(self) -> None:
        """Open the question in the user's editor."""
        try:
            command = editor()
            with self.app.suspend():
                text = edited(self.text, command)
        except SuspendNotSupported:
            self.notify("This terminal can't be lent to an editor.", severity="warning", markup=False)
            return
        except SettingsError as error:
            self.notify(clean_line(str(error)), severity="error", markup=False)
            return
        self.fill(text)

    def show_title(self, text: str) -> None:
        """Show a text on the upper border; an empty one shows none."""
        self.border_title = Content(clean_line(text, max(20, self.size.width - 6)))

    def _recall(self, place: int) -> None:
        self._place = place
        self.text = clean(self.asked[-place]) if place else self._begun
        # At the first line after going up and at the last one after going down, so that the next key goes on.
        self.move_cursor(self.document.end)
        if self.document.line_count > 1 and place:
            self.move_cursor((0, len(self.document.get_line(0))))

    async def _on_key(self, event: events.Key) -> None:
        # A binding runs in the application's own time, before letters typed earlier or after letters typed later:
        # this field's keys are taken here, in the order of typing.
        # Terminals send Alt+Z with the character z, which is not meant to be typed.
        printable = event.is_printable and not event.key.startswith("alt+")
        active = None if printable else self.screen.active_bindings.get(event.key)
        if active is not None and active.node is self and active.binding.id:
            event.stop()
            event.prevent_default()
            await self.run_action(active.binding.action)
        elif printable:
            self._place = 0
        elif event.is_printable:
            event.prevent_default()

    async def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        await super()._on_paste(events.Paste(clean(event.text)))
