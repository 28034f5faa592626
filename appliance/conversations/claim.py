"""Who is alive: each process that may write holds a locked file, and the kernel lets go of it however the process ends.

Knows nothing about messages or SQLite.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from pathlib import Path


class Claim:
    """This process's locked file, in a folder that all of them share."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self.name = uuid.uuid4().hex
        self._descriptor = os.open(folder / self.name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def is_alive(self, name: str) -> bool:
        """Whether the process that claimed `name` still runs; what a dead one left is removed."""
        if name == self.name:
            return True
        if not name.isalnum():
            return False
        path = self._folder / name
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
            return False
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)

    def release(self) -> None:
        """Let go."""
        (self._folder / self.name).unlink(missing_ok=True)
        os.close(self._descriptor)
