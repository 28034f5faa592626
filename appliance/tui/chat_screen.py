"""The chat's one screen: takes a question, has it answered, shows both; asks again, edits, goes on, votes.

Everything about the server is behind the client, everything that is kept behind the thread; looks are in chat.tcss.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.worker import Worker

from appliance.attachment import attach
from appliance.client import AsyncClient
from appliance.conversations import Figures, Message, Thread
from appliance.conversations.draft import Draft
from appliance.phrases import spelt_out
from appliance.sanitise import clean, clean_line
from appliance.tui.answering import Answering, Outcome
from appliance.tui.conversation import Conversation
from appliance.tui.footer import KeyLine
from appliance.tui.header import ExpertHeader
from appliance.tui.keys import unlisted
from appliance.tui.news import Changed, Selected, Voted
from appliance.tui.prompt import Prompt
from appliance.tui.status import StatusLine
from appliance.tui.welcome import Example
from bundle.errors import BoffinError, ConversationError


class ChatScreen(Screen[None]):
    """A conversation with the expert."""

    AUTO_FOCUS = "Prompt"
    BINDING_GROUP_TITLE = "Conversation"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "stop", "Stop", id="chat.stop", tooltip="Stop the answer and keep what came; leave an edit"),
        unlisted("ctrl+r", "again", "Again", "chat.again", "Have the question answered anew"),
        unlisted("f2", "edit", "Edit", "chat.edit", "Edit the question: a new branch"),
        unlisted("f4", "go_on", "Go on", "chat.go_on", "Go on with an answer that was cut off"),
        unlisted("f7", "vote(1)", "Good", "chat.good", "Vote: a good answer"),
        unlisted("f8", "vote(-1)", "Bad", "chat.bad", "Vote: a bad answer; write a better one"),
        unlisted("alt+up,ctrl+up", "select(-1)", "Select upwards", "chat.previous", ""),
        unlisted("alt+down,ctrl+down", "select(1)", "Select downwards", "chat.next", ""),
        unlisted("alt+left", "branch(-1)", "Branch before", "chat.branch_before", "Show the branch before"),
        unlisted("alt+right", "branch(1)", "Branch after", "chat.branch_after", "Show the branch after"),
        Binding("ctrl+n", "new", "New", id="chat.new", tooltip="Begin a new conversation"),
        unlisted("pageup", "page(-1)", "Page up", "chat.page_up", ""),
        unlisted("pagedown", "page(1)", "Page down", "chat.page_down", ""),
    ]

    def __init__(
        self,
        client: AsyncClient,
        thread: Thread,
        model: str,
        phrases: dict[str, str],
        examples: Sequence[str],
        folder: Path | None,
    ) -> None:
        """`model` answers where the conversation names none; files are named from `folder` on, if there is one."""
        super().__init__()
        self.thread = thread
        self._client = client
        self._model = model
        self._phrases = phrases
        self._folder = folder
        expert = clean_line(model, 60)
        self._header = ExpertHeader(expert)
        self.conversation = Conversation(expert, examples)
        self._prompt = Prompt(phrases, folder)
        self._status = StatusLine(client)
        self._answering: Answering | None = None
        self._answer_worker: Worker[None] | None = None
        self._editing: Message | None = None

    def compose(self) -> ComposeResult:
        """Yield header, conversation, prompt, status line and keys."""
        yield self._header
        yield self.conversation
        yield self._prompt
        yield self._status
        yield KeyLine(show_command_palette=False)

    async def on_mount(self) -> None:
        """Show the conversation."""
        self._prompt.asked = self.thread.store.questions()
        await self._show(self.thread)

    @property
    def model(self) -> str:
        """Who answers in this conversation."""
        return self.thread.options.model or self._model

    @property
    def answering(self) -> bool:
        """Whether an answer is under way."""
        return self._answering is not None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Esc is offered only while there is something to stop or to leave."""
        if action == "stop":
            return self.answering or self._editing is not None or self.conversation.selected is not None
        return True

    @on(Prompt.Submitted)
    def ask(self, event: Prompt.Submitted) -> None:
        """Send the question, spelt out and with the files that it names."""
        try:
            attached = attach(spelt_out(clean(event.text), self._phrases), self._folder)
        except BoffinError as error:
            self._complain(error)
            self._prompt.sendable = True
            self._prompt.fill(event.text)
            return
        for name in attached.files:
            self.notify(f"{clean_line(name, 100)} goes along.", markup=False)
        edited, model = self._editing, self.model
        self._leave_edit()
        ask, text = self.thread.ask, attached.text
        opening = partial(ask, text, model) if edited is None else partial(self.thread.edit, edited, text, model)
        self._begin(opening, rebuild=edited is not None, typed=event.text)

    @on(Example.Chosen)
    def take_example(self, event: Example.Chosen) -> None:
        """Put the example into the prompt."""
        self._prompt.fill(event.question)

    @on(Selected)
    def take_selection(self, event: Selected) -> None:
        """Mark the message that was clicked."""
        self.conversation.select(event.number)
        self.refresh_bindings()

    def action_stop(self) -> None:
        """Stop the answer; what came stays. Else leave the edit, else the selection."""
        if self._answering is not None:
            self._answering.stop()
        elif self._editing is not None:
            self._leave_edit()
            self._prompt.clear()
        else:
            self.conversation.select(None)
        self.refresh_bindings()

    def action_again(self) -> None:
        """Have the question of the selected answer, or of the last one, answered anew, past the cache."""
        answer = self.conversation.chosen("assistant")
        if answer is not None and not self._busy():
            self._begin(partial(self.thread.again, answer, self.model), rebuild=True, anew=True)

    def action_go_on(self) -> None:
        """Go on with the last answer, if it isn't whole."""
        answer = self.thread.path[-1] if self.thread.path else None
        if answer is None or answer.state == "whole" or not answer.text:
            self.notify("The last answer is whole: there is nothing to go on with.", markup=False)
        elif not self._busy():
            self._begin(lambda: self.thread.go_on(answer), rebuild=True)

    def action_edit(self) -> None:
        """Put the selected question, or the last one, into the prompt; sending it makes a new branch."""
        question = self.conversation.chosen("user")
        if question is not None and not self._busy():
            self._editing = question
            self._prompt.fill(question.text)
            self._prompt.show_title("Editing: Enter asks it in a new branch, Esc leaves")
            self.refresh_bindings()

    async def action_branch(self, step: int) -> None:
        """Show the branch before (-1) or after (1), at the selected message or else at the last place that has any."""
        chosen = [message for message in self.thread.path if message.id == self.conversation.selected]
        for message in (*chosen, *reversed(self.thread.path)):
            if self.thread.branches(message)[1] > 1 and not self._busy():
                place = self.thread.path.index(message)
                if self.thread.switch(message, step):
                    await self.conversation.show(self.thread, self.thread.path[place].id)
                return

    def action_select(self, step: int) -> None:
        """Select the message before (-1) or after (1)."""
        self.conversation.move(step)
        self.refresh_bindings()

    def action_vote(self, vote: int) -> None:
        """Vote on the selected answer, or on the last one; the same vote again takes it back."""
        answer = self.conversation.chosen("assistant")
        if answer is None or not answer.text or self._busy():
            return
        self.vote(answer, vote)

    def vote(self, answer: Message, vote: int, better: str = "") -> None:
        """Keep a vote, and show it."""
        try:
            voted = self.thread.vote(answer, vote, better)
        except ConversationError as error:
            self._complain(error)
            return
        self.conversation.update(voted)
        self.post_message(Voted(voted))

    async def action_new(self) -> None:
        """Begin a new conversation, with the options of this one."""
        await self.open(Thread(self.thread.store, options=self.thread.options))

    def action_page(self, direction: int) -> None:
        """Scroll the conversation while the prompt keeps the focus."""
        self.conversation.turn_page(direction)

    async def open(self, thread: Thread, at: int | None = None) -> None:
        """Show another conversation; an answer that is under way is stopped first."""
        if self._answering is not None and self._answer_worker is not None:
            self._answering.stop()
            await self._answer_worker.wait()
        self._leave_edit()
        await self._show(thread, at)
        self._prompt.focus()

    def write(self, text: str) -> None:
        """Put a text into the prompt."""
        self._prompt.fill(text)

    def _begin(
        self, opening: Callable[[], Draft], *, rebuild: bool = False, anew: bool = False, typed: str = ""
    ) -> None:
        """Open an answer and have it read; `anew` passes the cache by, `typed` is given back if nothing comes."""
        try:
            draft = opening()
        except ConversationError as error:
            self._complain(error)
            self._prompt.sendable = True
            self._prompt.fill(typed)
            return
        self._answering = Answering(self._client, self.thread, draft, self.model, anew=anew)
        self._prompt.sendable = False
        self.refresh_bindings()
        self.post_message(Changed())
        self._answer_worker = self._run(self._answering, rebuild, typed)

    @work(group="answer")
    async def _run(self, answering: Answering, rebuild: bool, typed: str) -> None:
        self._status.show_waiting()
        try:
            if rebuild:
                await self.conversation.show(self.thread)
            answer = self.conversation.last_answer() if rebuild else await self.conversation.add()
            outcome = await answering.run(answer, self._status.show_answering)
            self._status.show_figures(outcome.message.figures)
            if outcome.error:
                await self._fail(answering, outcome, typed)
        except ConversationError as error:
            self._complain(error)
        self._answering = None
        self._prompt.sendable = True
        self.refresh_bindings()

    async def _fail(self, answering: Answering, outcome: Outcome, typed: str) -> None:
        """Say what the server said. An answer without a word is forgotten, and its question is given back."""
        remedy = "What came is kept, and can be gone on with."
        if not outcome.message.text and not answering.begun:
            self.thread.take_back(answering.draft, question=bool(typed))
            await self.conversation.show(self.thread)
            self.post_message(Changed())
            remedy = (
                "The question is back in the prompt: Enter asks again."
                if typed
                else "The answers before it are as they were."
            )
            if typed and not self._prompt.text:
                self._prompt.fill(typed)
        await self.conversation.fail(outcome.error, remedy)
        self._status.look()

    async def _show(self, thread: Thread, at: int | None = None) -> None:
        self.thread = thread
        await self.conversation.show(thread, at)
        self._status.show_figures(thread.path[-1].figures if thread.path else Figures())
        self.post_message(Changed())

    @on(Changed)
    def show_title(self) -> None:
        """Show the conversation's name."""
        self._header.show(self.thread.conversation.title if self.thread.conversation else "")

    def _leave_edit(self) -> None:
        self._editing = None
        self._prompt.show_title("")

    def _busy(self) -> bool:
        if self.answering:
            self.notify("The answer is still coming: Esc stops it.", markup=False)
        return self.answering

    def _complain(self, error: BoffinError) -> None:
        self.notify(clean_line(str(error)), severity="error", markup=False)
