"""A question in a Markdown file: front matter, the question, `## Reference answer`, and perhaps `## Check`.

Knows nothing about what the fields may hold.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from evaluation.suite.strict_yaml import StrictYamlError, read_yaml

REFERENCE, CHECK = "## Reference answer", "## Check"
_KEYS = ("category", "library", "must", "draft")
_HEADING = re.compile(r"##(?!#)\s*\S.*")
# What is taken is never given back: a line of a million tildes and a backtick would be tried at each length.
_FENCE = re.compile(r" {0,3}(?P<fence>`{3,}+|~{3,}+)(?P<info>[^`]*+)")
_PARTS = ("before", "after")


class MarkdownError(Exception):
    """What is wrong with the file's form."""

    def __init__(self, what: str, line: int) -> None:
        super().__init__(what)
        self.line = line
        """The file's line, from 1; 0 where there is none to name."""


@dataclass(frozen=True)
class _Line:
    number: int
    text: str
    info: str | None
    """The info string of the fence that opens here; None where none does."""
    fenced: bool
    """Whether it lies in a fenced block, the fences included."""


def read_markdown(text: str, name: str) -> dict[str, Any]:
    """The fields of the question `name` that the text of a file tells.

    Raises:
        MarkdownError: the file isn't made so.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    if lines[0].rstrip() != "---":
        raise MarkdownError("has to begin with front matter, between two lines of ---", 1)
    end = next((number for number, line in enumerate(lines[1:], start=1) if line.rstrip() == "---"), 0)
    if not end:
        raise MarkdownError("the front matter has no end, a line of ---", 1)
    fields = _front("\n".join(lines[1:end]))
    parts = _sections(_read(lines, end + 1))
    fields |= {"id": name, "question": _joined(parts[""])}
    if REFERENCE not in parts:
        raise MarkdownError(f"the section {REFERENCE!r} is missing", 0)
    fields["reference"] = _joined(parts[REFERENCE])
    if CHECK in parts:
        fields["check"] = _check(parts[CHECK])
    return fields


def _front(text: str) -> dict[str, Any]:
    try:
        front = read_yaml(text)
    except StrictYamlError as error:
        raise MarkdownError(f"front matter: {error}", error.line and error.line + 1) from None
    if not isinstance(front, dict):
        raise MarkdownError("front matter: has to be keys with values", 2)
    if unknown := [key for key in front if key not in _KEYS]:
        raise MarkdownError(f"front matter: unknown key {unknown[0][:60]!r}; there are {', '.join(_KEYS)}", 2)
    return front


def _read(lines: list[str], begin: int) -> list[_Line]:
    """The lines from `begin` on, with the fenced blocks marked."""
    found = []
    fence, opened = "", 0
    for number in range(begin, len(lines)):
        match = _FENCE.fullmatch(lines[number].rstrip())
        opens = closes = False
        if match and not fence:
            fence, opened, opens = match["fence"], number, True
        elif match and match["fence"].startswith(fence) and not match["info"].strip():
            closes = True
        info = match["info"].strip() if match and opens else None
        found.append(_Line(number + 1, lines[number], info, bool(fence)))
        if closes:
            fence = ""
    if fence:
        raise MarkdownError("the block that begins here has no end", opened + 1)
    return found


def _sections(lines: list[_Line]) -> dict[str, list[_Line]]:
    """The lines below each heading; those before the first under an empty name."""
    parts: dict[str, list[_Line]] = {"": []}
    for line in lines:
        heading = "" if line.fenced or not _HEADING.fullmatch(line.text) else " ".join(line.text.split())
        if not heading:
            parts[[*parts][-1]].append(line)
        elif heading not in (REFERENCE, CHECK) or heading in parts or (heading == REFERENCE and CHECK in parts):
            raise MarkdownError(
                f"unexpected section {heading[:60]!r}; there are {REFERENCE!r} and, after it, {CHECK!r}", line.number
            )
        else:
            parts[heading] = []
    return parts


def _joined(lines: list[_Line]) -> str:
    return "\n".join(line.text for line in lines).strip("\n")


def _check(lines: list[_Line]) -> dict[str, str]:
    """The blocks `python before` and `python after`, and nothing else."""
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in lines:
        if line.info is not None:
            language, _, part = line.info.partition(" ")
            if language != "python" or part not in _PARTS or part in found:
                raise MarkdownError(
                    "a check is one block ```python after, and perhaps one ```python before", line.number
                )
            current = found[part] = []
        elif line.fenced:
            current.append(line.text)
        elif line.text.strip():
            raise MarkdownError("only blocks of code belong here; put remarks into them as comments", line.number)
    # The last line of a block is its closing fence.
    return {part: "\n".join(code[:-1]) for part, code in found.items()}
