"""What candidates have said so far, kept in a file, so that an evaluation that was stopped goes on where it was.

A line for each answer or loss, appended as it comes; a line that a kill cut off is passed over, and asked for again.
Knows nothing about questions or endpoints: an entry is found by the digest of all that it depends on.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from bundle.digests import digest_value
from evaluation.endpoint import Answer, Loss

FILE = "transcript.jsonl"


class Entry(BaseModel):
    """One answer, one loss, or the most memory that a server had."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    answer: Answer | None = None
    loss: Loss | None = None
    memory: int | None = None
    """In bytes."""
    elapsed: float = 0
    """Seconds that had been spent on the answers of the same set when it came."""


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    entry: Entry


class Transcript:
    """The entries of one evaluation. Not for several threads at once."""

    def __init__(self, folder: Path | None = None) -> None:
        """Read what is in `folder`; None keeps entries in memory alone."""
        self._entries: dict[str, Entry] = {}
        self._path = folder and folder / FILE
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._read(self._path)

    @property
    def kept(self) -> bool:
        """Whether a later run finds the entries."""
        return self._path is not None

    def get(self, *what: Any) -> Entry | None:
        """The entry of a key's parts, which are JSON values."""
        return self._entries.get(digest_value(what))

    def put(self, entry: Entry, *what: Any) -> None:
        """Keep an entry under a key's parts; it is on the disk when this returns."""
        key = digest_value(what)
        self._entries[key] = entry
        if self._path is not None:
            with self._path.open("ab") as handle:
                # The line end comes first, so that it also ends a line that was cut off.
                handle.write(b"\n" + _Line(key=key, entry=entry).model_dump_json(exclude_defaults=True).encode())
                handle.flush()
                os.fsync(handle.fileno())

    def _read(self, path: Path) -> None:
        if not path.is_file():
            return
        for text in path.read_bytes().split(b"\n"):
            try:
                line = _Line.model_validate_json(text)
            except ValidationError:
                continue
            self._entries[line.key] = line.entry
