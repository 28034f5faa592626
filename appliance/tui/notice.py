"""A line in the conversation that is neither question nor answer: something went wrong, and what to do."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from appliance.sanitise import clean_line


class Notice(Static):
    """An error, as one line."""

    def __init__(self, text: str, remedy: str) -> None:
        super().__init__(Content(f"✖ {clean_line(text)}\n{remedy}"))
