"""What the parts of the chat tell each other."""

from __future__ import annotations

from textual.message import Message as Event

from appliance.conversations import Message


class Selected(Event):
    """A question or an answer was clicked."""

    def __init__(self, number: int) -> None:
        """`number` is its number in the store."""
        super().__init__()
        self.number = number


class Changed(Event):
    """A conversation began or ended, or another one is shown."""


class Voted(Event):
    """A vote was given or taken back."""

    def __init__(self, answer: Message) -> None:
        super().__init__()
        self.answer = answer
