"""Lets the user choose a code block of the conversation, to copy it or to save it; nothing is ever run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from appliance.code_blocks import CodeBlock
from appliance.sanitise import clean, clean_line

PREVIEW = 3
"""Lines of a block that are shown."""


class Taken(NamedTuple):
    """What the user chose."""

    block: CodeBlock
    purpose: Literal["copy", "save"]


class BlocksScreen(ModalScreen[Taken | None]):
    """All code blocks, the newest first."""

    BINDING_GROUP_TITLE = "Code blocks"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s,ctrl+s", "save", "Save", id="blocks.save", tooltip="Save the block as a file"),
        Binding("escape", "dismiss(None)", "Leave", id="blocks.leave"),
    ]

    def __init__(self, blocks: Sequence[CodeBlock]) -> None:
        """`blocks` has the newest first."""
        super().__init__()
        self._blocks = list(blocks)

    def compose(self) -> ComposeResult:
        """Yield the list."""
        options = OptionList(*(Option(_shown(block)) for block in self._blocks), classes="dialog", markup=False)
        options.border_title = "Code blocks"
        options.border_subtitle = "Enter copies · S saves · Esc leaves"
        yield options

    @on(OptionList.OptionSelected)
    def copy(self, event: OptionList.OptionSelected) -> None:
        """Take the block to copy it."""
        self.dismiss(Taken(self._blocks[event.option_index], "copy"))

    def action_save(self) -> None:
        """Take the block to save it."""
        if (place := self.query_one(OptionList).highlighted) is not None:
            self.dismiss(Taken(self._blocks[place], "save"))


def _shown(block: CodeBlock) -> Content:
    lines = block.code.splitlines()
    size = f"{block.lines} {'line' if block.lines == 1 else 'lines'}"
    head = f"{clean_line(block.label, 20) or 'code'} · {size}"
    preview = "\n".join(f"  {clean(line)[:200]}" for line in lines[:PREVIEW])
    more = "\n  …" if len(lines) > PREVIEW else ""
    return Content.assemble((head, "$primary"), "\n", Content(preview), (more, "$text-muted"))
