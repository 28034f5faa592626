"""What can be done with answers and their code: copied, chosen, saved. Nothing is ever run, nothing replaced."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual import work
from textual.app import App
from textual.binding import Binding, BindingType

from appliance import clipboard
from appliance.code_blocks import CodeBlock
from appliance.sanitise import clean_line
from appliance.tui.blocks_screen import BlocksScreen, Taken
from appliance.tui.keys import unlisted
from appliance.tui.line_screen import LineScreen


class CopyingApp(App[None]):
    """An application with code to copy."""

    BINDING_GROUP_TITLE = "Code"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+y", "copy_code", "Copy code", id="app.copy_code", tooltip="Copy the last block", priority=True),
        unlisted("f3", "blocks", "Blocks", "app.blocks", "Copy or save any code block"),
        unlisted("alt+y", "copy_answer", "Copy answer", "app.copy_answer", "Copy the whole answer"),
    ]

    folder: Path = Path()
    """Where names of files begin."""

    def blocks(self) -> Sequence[CodeBlock]:
        """The code that there is, the newest first."""
        raise NotImplementedError

    def answer_text(self) -> str:
        """The answer that is meant; empty where there is none."""
        raise NotImplementedError

    def path(self, name: str) -> Path:
        """The file that a name means."""
        expanded = os.path.expanduser(name)  # noqa: PTH111  pathlib's raises for a user that there isn't
        return self.folder / expanded

    def action_copy_code(self) -> None:
        """Copy the newest code block."""
        blocks = self.blocks()
        if blocks:
            self._copy_block(blocks[0])
        else:
            self.notify("There is no code block yet.", markup=False)

    def action_copy_answer(self) -> None:
        """Copy the whole answer."""
        if text := self.answer_text():
            self.copy(text, "The answer")

    def action_blocks(self) -> None:
        """Let a code block be chosen."""
        if blocks := self.blocks():
            self.push_screen(BlocksScreen(blocks), self._take_block)
        else:
            self.notify("There is no code block yet.", markup=False)

    def copy_to_clipboard(self, text: str) -> None:
        """Copy what was selected."""
        self.copy(text, f"“{clean_line(text, 30)}”")

    @work(group="copy")
    async def copy(self, text: str, what: str) -> None:
        """Copy through the terminal (OSC 52), then by the system's clipboard, and say what is known of it."""
        super().copy_to_clipboard(text)
        program = clipboard.program()
        checked = program is not None and await asyncio.to_thread(clipboard.copy, text, program)
        self.notify(clipboard.told(what, program, checked), markup=False)

    def _copy_block(self, block: CodeBlock) -> None:
        self.copy(block.code, f"{block.lines} {'line' if block.lines == 1 else 'lines'} of code")

    def _take_block(self, taken: Taken | None) -> None:
        if taken is None:
            return
        if taken.purpose == "copy":
            self._copy_block(taken.block)
        else:
            name = f"answer{taken.block.suffix}"
            self.push_screen(LineScreen("Save the block as", name), partial(self._save_block, taken.block))

    def _save_block(self, block: CodeBlock, name: str | None) -> None:
        if name is None:
            return
        try:
            with self.path(name).open("x", encoding="utf-8") as handle:
                handle.write(block.code)
        except (OSError, ValueError) as error:
            said = (error.strerror or "").lower() if isinstance(error, OSError) else "no file can have this name"
            self.notify(f"{clean_line(name)}: {said}", severity="error", markup=False)
        else:
            self.notify(f"Saved as {clean_line(name)}.", markup=False)
