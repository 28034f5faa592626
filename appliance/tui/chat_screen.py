"""The chat's one screen: takes a question, reads the answer from the server, shows both.

Everything about the server is behind the client; how things look is in chat.tcss.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Footer, Markdown
from textual.worker import Worker

from appliance.client import AsyncClient, Delta, Done
from appliance.sanitise import clean, clean_line
from appliance.tui.answer import Answer
from appliance.tui.conversation import Conversation
from appliance.tui.header import ExpertHeader
from appliance.tui.prompt import Prompt
from appliance.tui.status import StatusLine
from appliance.tui.transcript import Transcript, Turn
from appliance.tui.welcome import Example
from bundle.errors import ServerError

HEALTH_EVERY = 3.0
"""Seconds between two looks at the server's state."""
MAX_ANSWER = 200_000
"""Characters after which an answer is stopped: far more than any context holds."""


class ChatScreen(Screen[None]):
    """A conversation with the expert."""

    AUTO_FOCUS = "Prompt"
    BINDING_GROUP_TITLE = "Conversation"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "stop", "Stop", id="chat.stop", tooltip="Stop the answer and keep what came"),
        Binding(
            "ctrl+y", "copy_code", "Copy code", id="chat.copy_code", tooltip="Copy the last code block", priority=True
        ),
        Binding("ctrl+n", "new", "New", id="chat.new", tooltip="Begin a new conversation"),
        Binding("pageup", "page(-1)", "Page up", id="chat.page_up", show=False, priority=True),
        Binding("pagedown", "page(1)", "Page down", id="chat.page_down", show=False, priority=True),
    ]

    def __init__(self, client: AsyncClient, model: str, name: str, examples: Sequence[str]) -> None:
        super().__init__()
        self.transcript = Transcript()
        self._client = client
        self._model = model
        self._expert = clean_line(name, 60)
        self._conversation = Conversation(self._expert, examples)
        self._prompt = Prompt()
        self._status = StatusLine(client.url)
        self._answering: Worker[None] | None = None
        self._reading: asyncio.Task[Done | None] | None = None
        self._stopped = False

    def compose(self) -> ComposeResult:
        """Yield header, conversation, prompt, status line and keys."""
        yield ExpertHeader(self._expert)
        yield self._conversation
        yield self._prompt
        yield self._status
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Look at the server's state now and from time to time."""
        self.look_at_server()
        self.set_interval(HEALTH_EVERY, self.look_at_server)

    @property
    def answering(self) -> bool:
        """Whether an answer is under way."""
        return self._answering is not None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Esc is offered only while there is something to stop."""
        return self.answering if action == "stop" else True

    @work(exclusive=True, group="health")
    async def look_at_server(self) -> None:
        """Show the server's state."""
        try:
            self._status.show_health(await self._client.health())
        except ServerError as error:
            self._status.show_lost(str(error))

    @on(Prompt.Submitted)
    def ask(self, event: Prompt.Submitted) -> None:
        """Send the question."""
        self._stopped = False
        self._answering = self._answer(clean(event.text))
        self.refresh_bindings()

    @on(Example.Chosen)
    def take_example(self, event: Example.Chosen) -> None:
        """Put the example into the prompt."""
        self._write_prompt(event.question)

    @on(Markdown.LinkClicked)
    def copy_link(self, event: Markdown.LinkClicked) -> None:
        """A link is never opened: its address goes to the clipboard."""
        address = clean_line(event.href, 2_000)
        self.app.copy_to_clipboard(address)
        self.notify(clean_line(address, 120), title="Link copied", markup=False)

    def action_stop(self) -> None:
        """Stop the answer; what came stays."""
        self._stopped = True
        if self._reading is not None:
            self._reading.cancel()

    def action_copy_code(self) -> None:
        """Copy the newest code block, through the terminal."""
        code = self.transcript.last_code()
        if not code:
            self.notify("There is no code block yet.", markup=False)
            return
        self.app.copy_to_clipboard(code)
        lines = len(code.splitlines())
        self.notify(f"Copied {lines} {'line' if lines == 1 else 'lines'} of code (through the terminal).", markup=False)

    async def action_new(self) -> None:
        """Begin a new conversation."""
        if self._answering is not None:
            self.action_stop()
            await self._answering.wait()
        self.transcript = Transcript()
        await self._conversation.clear()
        self._status.show_done(None)
        self._prompt.focus()

    def action_page(self, direction: int) -> None:
        """Scroll the conversation while the prompt keeps the focus."""
        self._conversation.turn_page(direction)

    @work(group="answer")
    async def _answer(self, question: str) -> None:
        turn = self.transcript.ask(question)
        answer = await self._conversation.add(question)
        self._status.show_answering()
        # A task of its own: a stop can only ever interrupt the reading, never the drawing that follows.
        self._reading = asyncio.create_task(self._read(turn, answer))
        if self._stopped:
            self._reading.cancel()
        done, ending, error = None, "", ""
        try:
            done = await self._reading
            ending = _ending(done)
        except ServerError as problem:
            ending, error = "broken off" if answer.text else "", str(problem)
        except asyncio.CancelledError:
            if not self._stopped:
                raise
            ending = "stopped"
        self._status.show_done(done)
        await answer.finish(ending)
        if error:
            await self._conversation.fail(answer, error, "The question is back in the prompt: Enter asks again.")
            if not self._prompt.text:
                self._write_prompt(question)
            self.look_at_server()
        self._answering = self._reading = None
        self._prompt.sendable = True
        self.refresh_bindings()

    async def _read(self, turn: Turn, answer: Answer) -> Done | None:
        """Read the stream to its end; None: the answer was longer than any context."""
        async for event in self._client.chat(self.transcript.messages(), model=self._model):
            match event:
                case Delta(text):
                    await answer.feed(text)
                    turn.answer = answer.text
                case Done():
                    return event
            if len(answer.text) > MAX_ANSWER:
                break
        return None

    def _write_prompt(self, text: str) -> None:
        self._prompt.text = text
        self._prompt.move_cursor(self._prompt.document.end)
        self._prompt.focus()


def _ending(done: Done | None) -> str:
    """How an answer ended, where that is worth a line."""
    if done is None or done.finish_reason == "length":
        return "cut off at the longest answer"
    return "from cache" if done.cached else ""
