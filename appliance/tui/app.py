"""The application: the chat, what opens over it, its themes and the keys that work everywhere.

Knows nothing about how an answer is made; the client does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from rich.console import RenderableType
from textual import on, work
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.dom import DOMNode
from textual.notifications import SeverityLevel
from textual.screen import Screen

from appliance.client import AsyncClient
from appliance.code_blocks import CodeBlock, code_blocks
from appliance.conversations import Options, Thread
from appliance.conversations.exchange import export, import_file
from appliance.conversations.votes import save_preferences
from appliance.phrases import PHRASES
from appliance.sanitise import clean_line
from appliance.settings import ChatSettings
from appliance.tui.blocks_screen import BlocksScreen
from appliance.tui.chat_screen import ChatScreen
from appliance.tui.conversations_screen import ConversationsScreen, Place
from appliance.tui.copying import CopyingApp
from appliance.tui.help_screen import HelpScreen
from appliance.tui.keys import bindings_of, check_keys, keys_shown, unlisted
from appliance.tui.line_screen import LineScreen
from appliance.tui.news import Voted
from appliance.tui.options_screen import OptionsScreen
from appliance.tui.prompt import Prompt
from appliance.tui.sources_screen import SourcesScreen
from appliance.tui.text_screen import TextScreen
from appliance.tui.theme import BOFFIN, CONTRAST, fitting
from appliance.tui.welcome import EXAMPLES
from bundle.errors import BoffinError, ConversationError, ServerError


class ChatApp(CopyingApp):
    """The chat with one expert."""

    CSS_PATH = Path(__file__).with_name("chat.tcss")
    TITLE = "boffin"
    BINDING_GROUP_TITLE = "Everywhere"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+o", "conversations", "Chats", id="app.conversations", tooltip="Conversations, and search in all"),
        unlisted("f9", "sources", "Sources", "app.sources", "What an answer read, and the checks of its code"),
        unlisted("f6", "options", "Options", "app.options", "Model, system prompt, temperature, length"),
        unlisted("alt+r", "rename", "Rename", "app.rename", "Rename the conversation"),
        unlisted("alt+e", "export", "Export", "app.export", "Write the conversation to a file"),
        unlisted("alt+i", "import", "Import", "app.import", "Read conversations from a file"),
        unlisted("alt+t", "change_theme", "Theme", "app.theme", "Change the colours"),
        Binding("f1", "help", "Help", id="app.help", tooltip="Show all keys"),
        Binding("ctrl+p", "command_palette", "Commands", id="app.commands", tooltip="All commands", priority=True),
        Binding("ctrl+q", "quit", "Quit", id="app.quit", priority=True),
    ]

    def __init__(
        self,
        client: AsyncClient,
        thread: Thread,
        model: str,
        settings: ChatSettings | None = None,
        *,
        preferences: Path | None = None,
        text: str = "",
        examples: Sequence[str] = EXAMPLES,
        folder: Path | None = Path(),
    ) -> None:
        """`client` and the thread's store stay the caller's to close; `model` is the expert's name over HTTP.

        `preferences` is the trainer's file that votes go to, `text` what the prompt begins with; files are named from
        `folder` on. Without one this machine's files and programs are out of reach, for whoever sits elsewhere.

        Raises:
            SettingsError: the settings name a key or a theme that there isn't.
        """
        super().__init__()
        self._settings = settings or ChatSettings()
        self._client = client
        self._model = model
        self._preferences = preferences
        self._text = text
        self.folder = folder
        self.register_theme(BOFFIN)
        self.register_theme(CONTRAST)
        check_keys(OWNERS, OWNERS[:4], self._settings.keys)
        self._theme_name = fitting(self._settings.theme, self.console.color_system, self.available_themes)
        self.chat = ChatScreen(client, thread, model, PHRASES | self._settings.phrases, examples, folder)

    def on_mount(self) -> None:
        """Dress, and take the keys of the settings."""
        self.theme = self._theme_name
        self.set_keymap(self._settings.keys)
        if self._text:
            self.call_after_refresh(self.chat.write, self._text)

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """Say it in place of what was said before: a key pressed ten times isn't ten notices."""
        self.clear_notifications()
        super().notify(message, title=title, severity=severity, timeout=timeout, markup=markup)

    def get_default_screen(self) -> Screen[Any]:
        """The chat."""
        return self.chat

    def watch_app_focus(self, looked_at: bool) -> None:
        """Give the keys to the prompt where nothing has them: a browser's page may come and go before it had them."""
        if looked_at and self.screen is self.chat and self.chat.focused is None:
            for prompt in self.chat.query(Prompt):
                prompt.focus()

    def exit(self, result: None = None, return_code: int = 0, message: RenderableType | None = None) -> None:
        """Leave, and let go of the answer first: its worker must not outlive the widgets it writes to."""
        self.workers.cancel_all()
        super().exit(result, return_code, message)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What is about the conversation waits until nothing lies over it; what is out of reach never is done."""
        if self.folder is None and action in ("export", "import"):
            return False
        return not (action in ABOUT_THE_CHAT and self.screen is not self.chat)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """What the command palette offers: everything that has a key."""
        for owner, node in self._places():
            for binding in bindings_of(owner, self._settings.keys):
                # Keys of a place, such as arrows, mean nothing from here.
                if binding.tooltip and binding.action != "command_palette":
                    run = partial(self._run_binding, binding.action, node)
                    yield SystemCommand(binding.description, f"{binding.tooltip} ({keys_shown(self, binding)})", run)
        yield SystemCommand("Quit", "Leave the chat", self.action_quit)

    def _places(self) -> Iterable[tuple[type[DOMNode], DOMNode]]:
        prompt = self.chat.query_one(Prompt)
        return ((ChatScreen, self.chat), (CopyingApp, self), (ChatApp, self), (Prompt, prompt))

    async def _run_binding(self, action: str, node: DOMNode) -> None:
        await self.run_action(action, node)

    def action_help(self) -> None:
        """Show all keys."""
        groups = [(owner.BINDING_GROUP_TITLE or "", bindings_of(owner, self._settings.keys)) for owner in OWNERS]
        self.push_screen(HelpScreen(groups))

    def action_conversations(self) -> None:
        """Show the list of conversations."""
        conversation = self.chat.thread.conversation
        store = self.chat.thread.store
        self.push_screen(ConversationsScreen(store, conversation.id if conversation else None), self._go)

    async def _go(self, place: Place | None) -> None:
        """Go where the list says; a conversation that was deleted there is left."""
        thread = self.chat.thread
        try:
            if place is not None:
                await self.chat.open(Thread.open(thread.store, place.conversation, place.message), place.message)
            elif thread.conversation is not None:
                thread.conversation = thread.store.conversation(thread.conversation.id)
                self.chat.show_title()
        except ConversationError:
            await self.chat.action_new()

    @work(group="options")
    async def action_options(self) -> None:
        """Show what this conversation asks of its answers."""
        try:
            models = await self._client.models()
        except ServerError:
            models = []
        self.push_screen(OptionsScreen(self.chat.thread.options, models, self._settings.presets), self._take_options)

    def _take_options(self, options: Options | None) -> None:
        if options is not None:
            self._or_complain(lambda: setattr(self.chat.thread, "options", options))

    def action_sources(self) -> None:
        """Show what came with the selected answer, or with the last one."""
        answer = self.chat.conversation.chosen("assistant")
        if answer is None or not (answer.evidence.sources or answer.evidence.checks or answer.evidence.repaired):
            self.notify("This answer read no documentation, and has no code that was checked.", markup=False)
        else:
            self.push_screen(SourcesScreen(answer.evidence, opens=self.folder is not None))

    def action_rename(self) -> None:
        """Ask for the conversation's name."""
        thread = self.chat.thread
        if thread.conversation is not None:
            self.push_screen(LineScreen("Rename the conversation", thread.conversation.title), self._take_title)

    def action_export(self) -> None:
        """Ask for the file to write the conversation to."""
        if self.chat.thread.conversation is None:
            self.notify("There is nothing to export yet.", markup=False)
            return
        note = "A name that ends in .json gives every branch, for reading back; any other, Markdown."
        self.push_screen(LineScreen("Export the conversation to", "conversation.md", note), self._take_export)

    def action_import(self) -> None:
        """Ask for the file to read."""
        self.push_screen(
            LineScreen("Import conversations from", "", "A JSON file that was exported."), self._take_import
        )

    @on(Voted)
    def keep_vote(self, event: Voted) -> None:
        """Ask for a better answer where a vote is bad; write the pairs that votes make where the trainer reads them."""
        answer = event.answer
        if answer.vote < 0 and not answer.better:
            title, note = "What would have been the better answer?", "Left as it is, the vote alone is kept."
            self.push_screen(TextScreen(title, answer.text, note), partial(self._take_better, answer.id, answer.text))
        elif self._preferences is not None:
            path = self._preferences
            added = self._or_complain(lambda: save_preferences(self.chat.thread.store, answer.model, path))
            if added:
                self.notify(f"{added} new in {clean_line(path.name)}.", title="Votes", markup=False)

    def _take_better(self, number: int, text: str, better: str | None) -> None:
        answer = next((message for message in self.chat.thread.path if message.id == number), None)
        if better and better != text.strip() and answer is not None:
            self.chat.vote(answer, -1, better)

    def answer_text(self) -> str:
        """The selected answer, or the last one."""
        answer = self.chat.conversation.chosen("assistant")
        return answer.text if answer is not None else ""

    def blocks(self) -> list[CodeBlock]:
        """The code blocks of the selected answer, or else of the whole branch; the newest first."""
        path = [message for message in self.chat.thread.path if message.role == "assistant"]
        chosen = [message for message in path if message.id == self.chat.conversation.selected]
        return [block for message in reversed(chosen or path) for block in reversed(code_blocks(message.text))]

    def _take_title(self, title: str | None) -> None:
        if title is not None:
            self._or_complain(lambda: self.chat.thread.rename(title))
            self.chat.show_title()

    def _take_export(self, name: str | None) -> None:
        if name is not None and self._or_complain(lambda: export(self.chat.thread, self.path(name))):
            self.notify(f"Written to {clean_line(name)}.", markup=False)

    def _take_import(self, name: str | None) -> None:
        if name is None:
            return
        added = self._or_complain(lambda: import_file(self.chat.thread.store, self.path(name)))
        if added is not None:
            self.notify(f"{len(added)} {'conversation' if len(added) == 1 else 'conversations'} added.", markup=False)

    def _or_complain(self, act: Callable[[], Any]) -> Any:
        """What `act` gives, or None and its one line on the screen."""
        try:
            return act()
        except BoffinError as error:
            self.notify(clean_line(str(error)), severity="error", markup=False)
            return None


OWNERS: tuple[type[DOMNode], ...] = (
    Prompt,
    ChatScreen,
    CopyingApp,
    ChatApp,
    ConversationsScreen,
    BlocksScreen,
    OptionsScreen,
    SourcesScreen,
    TextScreen,
    LineScreen,
    HelpScreen,
)
"""Everything that has keys of its own, in the order of the help."""
ABOUT_THE_CHAT = frozenset(
    ("copy_code", "blocks", "copy_answer", "conversations", "options", "rename", "export", "import", "help", "sources")
)
"""Actions that would only confuse where another screen lies over the chat."""
