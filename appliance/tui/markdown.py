"""Markdown as models write it, hostile Markdown too: Textual's widget with its soft spots taken out.

Nothing is opened, table cells are never read as markup, and a table that streams in is drawn anew instead of patched.
"""

from __future__ import annotations

from pygments.token import Token  # type: ignore[import-untyped]
from textual.app import ComposeResult
from textual.content import Content
from textual.highlight import HighlightTheme, highlight
from textual.widgets import Markdown
from textual.widgets._markdown import MarkdownBlock, MarkdownFence, MarkdownTable, MarkdownTableContent

from appliance.markdown import parser

PLAIN = {"", "text", "txt", "output", "console"}
"""Fence labels without highlighting; an unlabelled fence is one of them, for guessing its language is slow."""


class CodeColours(HighlightTheme):
    """Textual's colours for code, without its underlined function names."""

    STYLES = {  # noqa: RUF012 - the base class declares it so
        **HighlightTheme.STYLES,
        Token.Name: "$text",
        Token.Name.Function: "$text-secondary",
        Token.Name.Function.Magic: "$text-secondary",
        Token.Name.Namespace: "$text",
        Token.Comment: "$text 55% italic",
    }


class Code(MarkdownFence):
    """A code block."""

    @classmethod
    def highlight(cls, code: str, language: str, ansi: bool = False, dark: bool = False) -> Content:
        """Colour `code`; of a fence's label only the first word names the language."""
        label = language.split(maxsplit=1)[0].lower() if language.strip() else ""
        if ansi:
            return super().highlight(code, label or "text", ansi=ansi, dark=dark)
        return highlight(code, language="text" if label in PLAIN else label, theme=CodeColours)


class TableCells(MarkdownTableContent):
    """The cells of a table, without tooltips: Textual reads those as markup."""

    def compose(self) -> ComposeResult:
        """Yield the cells."""
        for cell in super().compose():
            cell.tooltip = None
            yield cell


class Table(MarkdownTable):
    """A table."""

    def compose(self) -> ComposeResult:
        """Yield the table's content."""
        self._headers, self._rows = self._get_headers_and_rows()
        yield TableCells(self._headers, self._rows)

    async def _update_from_block(self, block: MarkdownBlock) -> None:
        # Textual patches the rows in place and fails where a row turns out to be something else (a fence, say).
        await MarkdownBlock._update_from_block(self, block)


BLOCKS: dict[str, type[MarkdownBlock]] = {"fence": Code, "code_block": Code, "table_open": Table}
"""The blocks that differ from Textual's."""


class ExpertMarkdown(Markdown):
    """The Markdown of one answer."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text, parser_factory=parser, open_links=False)

    def get_block_class(self, block_name: str) -> type[MarkdownBlock]:
        """The widget for a kind of block."""
        return BLOCKS.get(block_name) or super().get_block_class(block_name)
