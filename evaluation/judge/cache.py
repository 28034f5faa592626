"""The judge's replies on the disk, a file each, by the digest of what was asked.

Only replies that can be used are kept. One that can't be read is as if it weren't there. Knows nothing about what they
mean.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from bundle.atomic import write_text
from evaluation.judge.wording import Reply


class Cache:
    """A folder of replies; its methods may be called from many threads."""

    def __init__(self, folder: Path) -> None:
        """Make the folder where it isn't there."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    def get(self, key: str) -> Reply | None:
        """The reply that was kept under a key."""
        try:
            return Reply.model_validate_json(self._path(key).read_bytes())
        except (OSError, ValidationError):
            return None

    def put(self, key: str, reply: Reply) -> None:
        """Keep a reply, atomically."""
        write_text(self._path(key), reply.model_dump_json() + "\n")

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.json"
