"""The status line: what serves, where it runs, and what the last answer took.

It shows what the server says and nothing that is guessed.
"""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Label

from appliance.client import Done, Health
from appliance.sanitise import clean_line


class StatusLine(Horizontal):
    """One line at the foot of the chat."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._limit = 0
        self._server = Label(Content(f"○ connecting to {clean_line(url)}"), id="server")
        self._last = Label("", id="answer")

    def compose(self) -> ComposeResult:
        """Yield the server's half and the answer's half."""
        yield self._server
        yield self._last

    def show_health(self, health: Health) -> None:
        """Show the server's state."""
        self._limit = health.context
        self._server.update(_server(health))

    def show_lost(self, error: str) -> None:
        """Show why the server's state is unknown."""
        self._server.update(Content.assemble(("✖ ", "$text-error"), Content(clean_line(error))))

    def show_answering(self) -> None:
        """An answer is under way."""
        self._last.update("answering · Esc stops")

    def show_done(self, done: Done | None) -> None:
        """Show what the last answer took; None: there is nothing to say about one."""
        facts = []
        if done and done.cached:
            facts.append("from cache")
        elif done and done.timings.predicted_per_second > 0:
            facts.append(f"{done.timings.predicted_per_second:,.1f} tokens/s")
        if done and done.usage.total_tokens:
            used = f"{done.usage.total_tokens:,}"
            facts.append(f"{used} of {self._limit:,} tokens used" if self._limit else f"{used} tokens used")
        self._last.update(Content(" · ".join(facts)))


def _server(health: Health) -> Content:
    name = clean_line(health.model, 40)
    match health.status:
        case "ok":
            facts = [name, clean_line(health.quantisation, 16), clean_line(health.backend, 24)]
            return Content.assemble(("● ", "$text-success"), Content(" · ".join(fact for fact in facts if fact)))
        case "loading":
            return Content.assemble(("◐ ", "$text-warning"), Content(f"{name or 'the server'} is loading its model"))
        case "failed":
            return Content.assemble(("✖ ", "$text-error"), Content(f"the server failed: {clean_line(health.detail)}"))
