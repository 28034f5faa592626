"""The help: every key, read from the bindings themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from rich.table import Table
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Label, Static

BindingGroup = tuple[str, Sequence[BindingType]]
"""A heading and the bindings below it."""


class HelpScreen(ModalScreen[None]):
    """All keys on one page."""

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

    def _table(self, bindings: Sequence[BindingType]) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(min_width=12, no_wrap=True)
        table.add_column()
        for binding in _full(bindings):
            table.add_row(self.app.get_key_display(binding), binding.tooltip or binding.description)
        return table


def _full(bindings: Sequence[BindingType]) -> Iterator[Binding]:
    return (binding for binding in bindings if isinstance(binding, Binding))
