"""The status line: what serves, where it runs, and what the last answer took.

It shows what the server says and what was measured here, and nothing that is guessed.
"""

from __future__ import annotations

from textual import work
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Label

from appliance.client import AsyncClient
from appliance.conversations import Figures
from appliance.sanitise import clean_line
from appliance.wire import Health
from bundle.errors import ServerError

HEALTH_EVERY = 3.0
"""Seconds between two looks at the server's state."""


class StatusLine(Horizontal):
    """One line at the foot of the chat."""

    def __init__(self, client: AsyncClient) -> None:
        super().__init__()
        self._client = client
        self._limit = 0
        self._waiting = False
        self._server = Label(Content(f"○ connecting to {clean_line(client.url)}"), id="server")
        self._last = Label("", id="answer")

    def compose(self) -> ComposeResult:
        """Yield the server's half and the answer's half."""
        yield self._server
        yield self._last

    def on_mount(self) -> None:
        """Look at the server now, and from time to time."""
        self.look()
        self.set_interval(HEALTH_EVERY, self.look)

    @work(exclusive=True)
    async def look(self) -> None:
        """Show the server's state."""
        try:
            self.show_health(await self._client.health())
        except ServerError as error:
            self.show_lost(str(error))

    def show_health(self, health: Health) -> None:
        """Show the server's state."""
        self._limit = health.context
        self._server.update(_server(health))
        if self._waiting and health.queue > 0:
            self._last.update(f"waiting, {health.queue} in the queue · Esc stops")

    def show_lost(self, error: str) -> None:
        """Show why the server's state is unknown."""
        self._server.update(Content.assemble(("✖ ", "$text-error"), Content(clean_line(error))))

    def show_waiting(self) -> None:
        """A question was sent."""
        self._waiting = True
        self._last.update("reading the question · Esc stops")

    def show_answering(self) -> None:
        """The first word came."""
        if self._waiting:
            self._waiting = False
            self._last.update("answering · Esc stops")

    def show_figures(self, figures: Figures) -> None:
        """Show what an answer took."""
        self._waiting = False
        facts = ["from cache"] if figures.cached else []
        if figures.tokens_per_second > 0:
            facts.append(f"{figures.tokens_per_second:,.1f} tok/s")
        if figures.first_token > 0 and not figures.cached:
            facts.append(f"first {figures.first_token:.2f} s")
        if figures.tokens:
            facts.append(f"{figures.tokens:,} of {self._limit:,} tok" if self._limit else f"{figures.tokens:,} tok")
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
