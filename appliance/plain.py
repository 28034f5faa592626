"""The chat line by line, without a full screen: for dumb terminals, screen readers and pipes.

Knows nothing about Textual; where lines come from and go to is the caller's.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from appliance.attachment import attach
from appliance.client import Client
from appliance.conversations import Thread
from appliance.conversations.draft import Draft
from appliance.phrases import spelt_out
from appliance.reply import read_answer
from appliance.sanitise import clean, clean_line
from bundle.errors import BoffinError

HELP = """/new begins a new conversation, /again has the last question answered anew,
/go-on goes on with a cut-off answer, /list shows the conversations, /open N opens one,
/quit leaves. @path sends a file along. A line that ends in \\ goes on.
Ctrl+C stops an answer."""


class PlainChat:
    """A chat on lines of text."""

    def __init__(
        self,
        client: Client,
        thread: Thread,
        model: str,
        phrases: dict[str, str],
        read: Callable[[], str],
        write: Callable[[str], None],
        folder: Path | None = None,
    ) -> None:
        """`read` gives a line and raises EOFError at the end; `write` takes text with its line breaks."""
        self.thread = thread
        self._client = client
        self._model = model
        self._phrases = phrases
        self._read = read
        self._write = write
        self._folder = folder or Path.cwd()

    def run(self) -> None:
        """Converse until the end of the input or /quit; an error is a line, and the conversation goes on."""
        while (text := self._next()) is not None:
            try:
                if not self._command(text):
                    attached = attach(spelt_out(text, self._phrases), self._folder)
                    self._answer(self.thread.ask(attached.text, self._model))
            except BoffinError as error:
                self._write(f"✖ {clean_line(str(error))}\n")

    def _next(self) -> str | None:
        """What is asked next; None at the end."""
        lines: list[str] = []
        while True:
            try:
                line = self._read()
            except (EOFError, KeyboardInterrupt):
                return None
            lines.append(line.removesuffix("\\"))
            text = clean("\n".join(lines)).strip()
            if line.endswith("\\"):
                continue
            if text == "/quit":
                return None
            if text:
                return text
            lines.clear()

    def _command(self, text: str) -> bool:
        """Do what a command says; False: it is none."""
        name, _, rest = text.partition(" ")
        last = self.thread.path[-1] if self.thread.path else None
        match name:
            case "/help":
                self._write(HELP + "\n")
                self._write("Commands for questions: " + ", ".join(f"/{phrase}" for phrase in self._phrases) + "\n")
            case "/new":
                self.thread = Thread(self.thread.store, options=self.thread.options)
            case "/again" if last is not None:
                self._answer(self.thread.again(last, self._model), anew=True)
            case "/go-on" if last is not None and last.state != "whole":
                self._answer(self.thread.go_on(last))
            case "/again" | "/go-on":
                self._write("There is nothing to do that with.\n")
            case "/list":
                for one in self.thread.store.conversations(20):
                    self._write(f"{one.id:>5}  {clean_line(one.title)}\n")
            case "/open" if rest.strip().isdecimal():
                self.thread = Thread.open(self.thread.store, int(rest.strip()[:15]))
                for message in self.thread.path[-2:]:
                    self._write(("> " if message.role == "user" else "") + clean(message.text).rstrip() + "\n")
            case _:
                return False
        return True

    def _answer(self, draft: Draft, *, anew: bool = False) -> None:
        """Write an answer as it comes; Ctrl+C stops it and keeps what came."""
        said = ""
        try:
            with closing(read_answer(self._client, self.thread, draft, self._model, anew=anew)) as pieces:
                for piece in pieces:
                    self._write(piece)
                    said = piece
        except KeyboardInterrupt:
            said = "(stopped)"
            self._write(f"\n{said}")
        finally:
            if said:
                self._write("\n" if said.endswith("\n") else "\n\n")
