"""Files that a question names as `@path`: their text goes along with it.

Knows the disk, and nothing about terminals or servers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from appliance.sanitise import clean, clean_line
from bundle.errors import AttachmentError

MAX_FILE = 200_000
"""Bytes of a file that goes along: far more than any context holds."""
_NAMED = re.compile(r"(?:(?<=\s)|^)@(\"[^\"\n]+\"|[^\s\"]+)")


@dataclass(frozen=True)
class Attached:
    """A question with the files that it names."""

    text: str
    files: tuple[str, ...]
    """Their names, as they were written."""


def attach(question: str, folder: Path) -> Attached:
    """Put the text of each file that is named behind the question; what names no file (`@property`) stays as it is.

    Raises:
        AttachmentError: a file is too large, isn't text or can't be read.
    """
    parts = [question]
    files: dict[str, None] = {}
    for match in _NAMED.finditer(question):
        named = match[1].strip('"')
        # Punctuation after a name is the sentence's.
        name = next((one for one in (named, named.rstrip(".,;:!?)")) if _is_file(folder, one)), "")
        if name and name not in files:
            path = folder / Path(name).expanduser()
            parts.append(fenced(_read(path, name), path.suffix.removeprefix("."), f"File {clean_line(name, 200)}:"))
            files[name] = None
    return Attached("\n\n".join(parts), tuple(files))


def fenced(text: str, label: str, heading: str) -> str:
    """A text as a code block under a heading; no fence inside it can end the block."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{heading}\n\n{fence}{label if label.isalnum() else ''}\n{text.rstrip()}\n{fence}"


def _is_file(folder: Path, name: str) -> bool:
    try:
        return bool(name) and (folder / Path(name).expanduser()).is_file()
    except (OSError, RuntimeError, ValueError):
        return False


def _read(path: Path, name: str) -> str:
    shown = clean_line(name, 200)
    try:
        with path.open("rb") as handle:
            data = handle.read(MAX_FILE + 1)
    except OSError as error:
        raise AttachmentError(f"@{shown}: {(error.strerror or 'unreadable').lower()}") from None
    if len(data) > MAX_FILE:
        raise AttachmentError(f"@{shown}: larger than {MAX_FILE // 1000} kB; name a shorter file")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise AttachmentError(f"@{shown}: not a text file")
    return clean(text)
