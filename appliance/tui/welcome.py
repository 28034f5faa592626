"""The empty conversation: what to ask, with examples that a click puts into the prompt."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from appliance.sanitise import clean_line

EXAMPLES = (
    "How do I send JSON in a POST request with requests?",
    "How do I group the rows of a pandas DataFrame and sum a column?",
    "What does numpy.linalg.norm do? Show an example.",
)
"""Questions for an expert on the usual libraries."""


class Example(Static):
    """A question that a newcomer may ask."""

    class Chosen(Message):
        """The example was clicked."""

        def __init__(self, question: str) -> None:
            super().__init__()
            self.question = question

    def __init__(self, question: str) -> None:
        self._question = clean_line(question)
        super().__init__(Content.assemble(("› ", "$primary"), Content(self._question)))

    def on_click(self) -> None:
        """Tell who may be interested."""
        self.post_message(self.Chosen(self._question))


class Welcome(Vertical):
    """What is shown before the first question."""

    def __init__(self, name: str, examples: Sequence[str]) -> None:
        super().__init__()
        self._expert = name
        self._examples = examples

    def compose(self) -> ComposeResult:
        """Yield the greeting and the examples."""
        yield Static(Content(f"Ask {self._expert}"), classes="greeting")
        yield Static(
            "It answers offline, and can be wrong: run what it writes.",
            classes="note",
        )
        yield Static("You could ask", classes="lead")
        for question in self._examples:
            yield Example(question)
