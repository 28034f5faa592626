"""One question in the conversation, shown exactly as it was asked."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static


class Question(Static):
    """A question of the user."""

    def __init__(self, text: str) -> None:
        super().__init__(Content(text))
