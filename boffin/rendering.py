"""Markdown on a terminal while it streams in: each block is drawn once, when it is whole; nothing is drawn anew.

Knows nothing about where the text comes from.
"""

from __future__ import annotations

from rich.console import Console
from rich.markdown import Markdown

from appliance.markdown import parser


class BlockPrinter:
    """Prints a Markdown text that comes in pieces."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._parser = parser()
        self._text = ""

    def feed(self, text: str) -> None:
        """Take the next piece, and print the blocks that are whole now."""
        self._text += text
        if "\n" not in text:
            return
        starts = [token.map[0] for token in self._parser.parse(self._text) if token.level == 0 and token.map]
        # What follows may still belong to the last block.
        if starts and starts[-1] > 0:
            lines = self._text.splitlines(keepends=True)
            self._print("".join(lines[: starts[-1]]))
            self._text = "".join(lines[starts[-1] :])

    def finish(self) -> None:
        """Print what is left."""
        self._print(self._text)
        self._text = ""

    def _print(self, text: str) -> None:
        if text.strip():
            with self._console.capture() as drawn:
                # Links would be escape sequences of the model's making.
                markdown = Markdown("", hyperlinks=False)
                markdown.parsed = self._parser.parse(text.strip("\n"))
                self._console.print(markdown)
            self._console.file.write(drawn.get().strip("\n") + "\n\n")
            self._console.file.flush()
