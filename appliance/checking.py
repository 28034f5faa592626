"""The Python blocks of an answer, held to what exists in the bundle's libraries as soon as each one closes.

The code is read, never run, and the libraries needn't be there. Fences are read as CommonMark does, but may be
indented, as in list items. Knows nothing about engines or HTTP.
"""

from __future__ import annotations

import re
import textwrap
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from symbols.finding import Finding

MAX_CODE = 20_000
"""Characters of an answer's code that are checked; what comes after them is not."""
Check = Callable[[str], Sequence[Finding]]
"""What some code names that does not exist; a SyntaxError where it is no Python."""
_FENCE = re.compile(r"[ \t]*+(?P<fence>`{3,}+|~{3,}+)(?P<info>[^`]*)")
_PYTHON = ("python", "python3", "py")


@dataclass(frozen=True)
class Block:
    """A Python block of an answer."""

    code: str
    """Without its common indentation."""
    start: int
    """Where its code begins in the answer's text, in characters."""
    end: int
    """Where it ends there."""


@dataclass(frozen=True)
class Checked:
    """A Python block, checked."""

    block: int
    """Its number in the answer, from 0."""
    start: int
    """Where its code begins in the answer's text, in characters."""
    end: int
    """Where it ends there."""
    findings: tuple[Finding, ...]
    """What in it does not exist, by its own lines."""
    error: str = ""
    """Why it is no Python; empty where it is."""


class BlockReader:
    """Finds the Python blocks of a Markdown text that comes in pieces."""

    def __init__(self) -> None:
        self._rest = ""
        self._place = 0
        self._fence, self._python = "", False
        self._lines: list[str] = []
        self._start = 0

    def feed(self, text: str) -> list[Block]:
        """Take the next piece; the blocks that it closes."""
        if "\n" not in text:
            self._rest += text
            return []
        *lines, self._rest = (self._rest + text).split("\n")
        return [block for line in lines for block in self._take(line)]

    def end(self) -> list[Block]:
        """The text has ended: a block that was never closed runs to its end."""
        rest, self._rest = self._rest, ""
        found = self._take(rest)
        return found + (self._closed(self._place) if self._fence else [])

    @property
    def open(self) -> Block | None:
        """The whole lines so far of a Python block that isn't closed yet; None where the text isn't in one."""
        if not (self._fence and self._python):
            return None
        return Block(textwrap.dedent("\n".join(self._lines)), self._start, self._place)

    def _take(self, line: str) -> list[Block]:
        began = self._place
        self._place += len(line) + 1
        match = _FENCE.fullmatch(line)
        if not self._fence and match:
            self._fence, self._lines, self._start = match["fence"], [], self._place
            self._python = re.split(r"[\s,{]", match["info"].strip().lower())[0] in _PYTHON
        elif self._fence and match and match["fence"].startswith(self._fence) and not match["info"].strip():
            return self._closed(began)
        elif self._fence and self._python:
            self._lines.append(line)
        return []

    def _closed(self, end: int) -> list[Block]:
        self._fence = ""
        code = textwrap.dedent("\n".join(self._lines))
        return [Block(code, self._start, max(self._start, end - 1))] if self._python and code.strip() else []


class Checker:
    """Checks the blocks of one answer; what one imports, those after it may use."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self._reader = BlockReader()
        self._before: list[str] = []
        self._count = 0

    def feed(self, text: str) -> list[Block]:
        """Take the next piece of the answer; the blocks that are to be checked now."""
        return self._reader.feed(text)

    def end(self) -> list[Block]:
        """The answer has ended; the blocks that are to be checked now."""
        return self._reader.end()

    def check(self, block: Block) -> Checked:
        """Check the next block; it takes milliseconds, so not on an event loop."""
        number, self._count = self._count, self._count + 1
        if sum(map(len, self._before)) + len(block.code) > MAX_CODE:
            return Checked(number, block.start, block.end, ())
        with warnings.catch_warnings(action="ignore"):  # what Python thinks of a model's code is nobody's concern
            try:
                alone = self._check(block.code)
            except SyntaxError as error:
                return Checked(number, block.start, block.end, (), f"line {error.lineno or 1}: {error.msg}"[:200])
            findings = self._with_those_before(block.code, alone)
        self._before.append(block.code)
        return Checked(number, block.start, block.end, tuple(findings))

    def _with_those_before(self, code: str, alone: Sequence[Finding]) -> Sequence[Finding]:
        """The findings where all blocks are one program; those of the block alone where they are none."""
        before = "\n\n".join(self._before)
        if not before:
            return alone
        lines = before.count("\n") + 2
        try:
            found = self._check(f"{before}\n\n{code}")
        except SyntaxError:
            return alone
        moved = (replace(one, line=one.line - lines) for one in found)
        return [one for one in moved if one.line > 0]
