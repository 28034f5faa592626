"""The help: every key as it is bound now, read from the bindings themselves, with the id that rebinds it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.table import Table
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Label, Static

from appliance.tui.keys import keys_shown

BindingGroup = tuple[str, Sequence[Binding]]
"""A heading and the bindings below it."""


class HelpScreen(ModalScreen[None]):
    """All keys on one page."""

    BINDING_GROUP_TITLE = "Help"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f1,q", "dismiss", "Close", id="help.close"),
    ]

    def __init__(self, groups: Sequence[BindingGroup]) -> None:
        super().__init__()
        self._groups = groups

    def compose(self) -> ComposeResult:
        """Yield one table of keys a group."""
        with VerticalScroll(id="help") as page:
            page.border_title = "Keys"
            page.border_subtitle = "Esc closes"
            for title, bindings in self._groups:
                yield Label(title, classes="group")
                yield Static(self._table(bindings))
            yield Label("Another key: [appliance.chat.keys] in boffin.toml, by the id.", classes="note", markup=False)

    def _table(self, bindings: Sequence[Binding]) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(min_width=14, no_wrap=True)
        table.add_column(ratio=1)
        table.add_column(no_wrap=True, style="dim")
        for binding in bindings:
            table.add_row(keys_shown(self.app, binding), binding.tooltip or binding.description, binding.id or "")
        return table
