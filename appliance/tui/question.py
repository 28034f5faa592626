"""One question in the conversation, shown exactly as it was asked; of a very long one, the beginning."""

from __future__ import annotations

from textual import events
from textual.content import Content
from textual.widgets import Static

from appliance.conversations import Message
from appliance.sanitise import clean
from appliance.tui.answer import branch
from appliance.tui.news import Selected

SHOWN = 40
"""Lines of a question that are shown."""


class Question(Static):
    """A question of the user."""

    def __init__(self, message: Message, place: tuple[int, int] = (1, 1)) -> None:
        """`place` is which of the questions at its place it is, and how many there are."""
        self.message = message
        lines = clean(message.text).split("\n")
        more = f"… {len(lines) - SHOWN:,} more lines" if len(lines) > SHOWN else ""
        notes = [note for note in (more, branch(place)) if note]
        text = Content("\n".join(lines[:SHOWN]))
        super().__init__(Content.assemble(text, ("".join(f"\n{note}" for note in notes), "$text-muted italic")))

    def on_click(self, event: events.Click) -> None:
        """Select it."""
        self.post_message(Selected(self.message.id))
