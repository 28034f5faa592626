"""What Tab makes of a word: a command at the beginning (`/ex`), a path after @ (`@src/a`).

Knows the disk, and nothing about the field that it is typed in.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

MOST = 200
"""Names of a folder that are looked at."""


@dataclass(frozen=True)
class Completion:
    """What a word may become."""

    word: str
    """The word as it stands."""
    candidates: tuple[str, ...]
    """What it may become, in order."""

    @property
    def common(self) -> str:
        """What all candidates begin with; the word itself where there are none."""
        first, last = min(self.candidates, default=self.word), max(self.candidates, default=self.word)
        same = 0
        while same < len(first) and first[same] == last[same]:
            same += 1
        return first[:same]


def complete(before: str, commands: Iterable[str], folder: Path) -> Completion:
    """The completion of the last word of `before`, the text up to the cursor."""
    word = before.rsplit(maxsplit=1)[-1] if before and not before[-1].isspace() else ""
    if word.startswith("/") and before.strip() == word:
        found = sorted(f"/{command} " for command in commands if f"/{command}".startswith(word))
    elif word.startswith("@"):
        found = [f"@{path}" for path in _paths(word[1:], folder)]
    else:
        found = []
    return Completion(word, tuple(found))


def _paths(begun: str, folder: Path) -> list[str]:
    name = begun.rpartition("/")[2]
    shown = begun[: len(begun) - len(name)]
    paths = []
    try:
        with os.scandir(folder / Path(shown or ".").expanduser()) as entries:
            for entry in entries:
                hidden = entry.name.startswith(".") and not name.startswith(".")
                fit = entry.name.isprintable() and not any(character in entry.name for character in ' "')
                if entry.name.startswith(name) and fit and not hidden:
                    paths.append(shown + entry.name + ("/" if entry.is_dir() else ""))
                if len(paths) >= MOST:
                    break
    except (OSError, RuntimeError, ValueError):
        return []
    return sorted(paths)
