"""Text from outside, made safe to show: on a terminal, in a Markdown table, in a Markdown fence.

Answers are written by models and error texts by endpoints: either may hold escape sequences, fences, pipes or
megabytes. Knows nothing about reports.
"""

from __future__ import annotations

import re

MOST_SHOWN = 20_000
"""Characters of an answer that a page shows."""
# Control characters but tab and newline, marks that turn the direction of writing, and Unicode's line separators.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|#&~])")


def visible(text: str) -> str:
    """The text with LF line ends and each control or direction character replaced by U+FFFD."""
    return _UNSAFE.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


def one_line(text: str, limit: int = 200) -> str:
    """The text on one line, safe for a terminal, of at most `limit` characters."""
    line = " ".join(visible(text[: 10 * limit]).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def markdown(text: str, limit: int = 200) -> str:
    """The text on one line, with Markdown's special characters escaped; fit for a table's cell."""
    return _MARKDOWN.sub(r"\\\1", one_line(text, limit))


def fenced(text: str, language: str, limit: int = MOST_SHOWN) -> str:
    """A Markdown code block that the text can't close; what is beyond `limit` characters is counted, not shown."""
    shown = visible(text[:limit])
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    rest = f"\n\n… and {len(text) - limit:,} more characters" if len(text) > limit else ""
    return f"{fence}{language}\n{shown}\n{fence}{rest}"
