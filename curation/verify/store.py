"""What earlier runs of examples gave, on disk: a second curation runs only what is new.

A key is the digest of everything that the outcome depends on. SQLite keeps it whole when the process is killed. Knows
nothing about what is run.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

_CHUNK = 500


class Store:
    """Outcomes as JSON texts by their key; a context manager."""

    def __init__(self, path: Path) -> None:
        """Open the store; one that is damaged is begun anew, since all of it can be had again."""
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._connection = self._open(path)
        except sqlite3.OperationalError:
            # Locked, unreadable or on a full disk: nothing is wrong with what is in it.
            raise
        except sqlite3.DatabaseError:
            for file in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
                file.unlink(missing_ok=True)
            self._connection = self._open(path)

    @staticmethod
    def _open(path: Path) -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=60)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("CREATE TABLE IF NOT EXISTS outcomes (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
            connection.execute("PRAGMA quick_check")
        except sqlite3.DatabaseError:
            connection.close()
            raise
        return connection

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def get(self, keys: Sequence[str]) -> dict[str, str]:
        """The outcomes that are there, by their key."""
        found: dict[str, str] = {}
        for start in range(0, len(keys), _CHUNK):
            part = keys[start : start + _CHUNK]
            marks = ",".join("?" * len(part))
            found.update(self._connection.execute(f"SELECT key, value FROM outcomes WHERE key IN ({marks})", part))
        return found

    def put(self, outcomes: Mapping[str, str]) -> None:
        """Keep outcomes. A disk that takes no more loses nothing but the time to run them again."""
        with contextlib.suppress(sqlite3.OperationalError), self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO outcomes VALUES (?, ?)", outcomes.items())
