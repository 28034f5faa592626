"""Text from outside, made safe to show: on a terminal, in Markdown, in a Markdown fence.

Records hold what strangers wrote: escape sequences, characters that turn the direction of writing, fences, pipes.
Knows nothing about records.
"""

from __future__ import annotations

import re

# Control characters but tab and newline, marks that turn the direction of writing, invisible ones, line separators.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
)
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|#&~!$])")


def visible(text: str) -> str:
    """The text with LF line ends; each control, direction or invisible character is replaced by U+FFFD."""
    return _UNSAFE.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


def one_line(text: str, limit: int = 200) -> str:
    """The text on one line, safe for a terminal, of at most `limit` characters."""
    line = " ".join(visible(text[: 10 * limit]).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def markdown(text: str) -> str:
    """The text on one line, with Markdown's special characters escaped; fit for a table's cell."""
    return _MARKDOWN.sub(r"\\\1", one_line(text))


def fenced(text: str, language: str) -> str:
    """A Markdown code block that the text can't close."""
    shown = visible(text)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    return f"{fence}{language}\n{shown}\n{fence}"
