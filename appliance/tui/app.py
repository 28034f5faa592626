"""The application: one screen, its help, its themes and the keys that work everywhere.

Knows nothing about how an answer is made; the client does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from rich.console import RenderableType
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen

from appliance.client import AsyncClient
from appliance.tui.chat_screen import ChatScreen
from appliance.tui.help_screen import HelpScreen
from appliance.tui.prompt import Prompt
from appliance.tui.theme import BOFFIN
from appliance.tui.welcome import EXAMPLES


class ChatApp(App[None]):
    """The chat with one expert."""

    CSS_PATH = Path(__file__).with_name("chat.tcss")
    TITLE = "boffin"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f1,question_mark", "help", "Help", id="app.help", tooltip="Show all keys", key_display="F1"),
        Binding(
            "ctrl+p", "command_palette", "Commands", id="app.commands", tooltip="Commands and themes", priority=True
        ),
        Binding("ctrl+q", "quit", "Quit", id="app.quit", priority=True),
    ]

    def __init__(self, client: AsyncClient, model: str, name: str, examples: Sequence[str] = EXAMPLES) -> None:
        """`client` stays the caller's to close; `model` is what requests name, `name` what the header shows."""
        super().__init__()
        self.chat = ChatScreen(client, model, name, examples)

    def on_mount(self) -> None:
        """Dress, and show the chat."""
        self.register_theme(BOFFIN)
        self.theme = BOFFIN.name

    def get_default_screen(self) -> Screen[Any]:
        """The chat."""
        return self.chat

    def exit(self, result: None = None, return_code: int = 0, message: RenderableType | None = None) -> None:
        """Leave, and let go of the answer first: its worker must not outlive the widgets it writes to."""
        self.workers.cancel_all()
        super().exit(result, return_code, message)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """What the command palette offers."""
        if screen is self.chat:
            yield SystemCommand("New conversation", "Leave this one and begin anew", self.chat.action_new)
            yield SystemCommand("Copy code", "Copy the last code block", self.chat.action_copy_code)
        yield SystemCommand("Theme", "Change the colours", self.action_change_theme)
        yield SystemCommand("Help", "Show all keys", self.action_help)
        yield SystemCommand("Quit", "Leave the chat", self.action_quit)

    def action_help(self) -> None:
        """Show all keys."""
        if self.screen is self.chat:
            groups = [
                (group.BINDING_GROUP_TITLE or "Everywhere", group.BINDINGS) for group in (Prompt, ChatScreen, ChatApp)
            ]
            self.push_screen(HelpScreen(groups))
