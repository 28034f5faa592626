"""A bounded cache of bytes on disk that never costs an answer: what goes wrong with it is logged once.

It is a diskcache, the least recently used entries go first, and it holds bytes alone: diskcache by itself would also
store and load pickles, which run code when they are read. Knows nothing about what the bytes mean.
"""

from __future__ import annotations

import logging
import re
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import diskcache

log = logging.getLogger(__name__)

T = TypeVar("T")

_LOCK_TIMEOUT = 1.0
"""Seconds to wait for another process that writes."""
_IN_DATABASE = 2**15
"""Values of more bytes than this are files of their own."""
_FILE = re.compile(r"[0-9a-f]{2}[/\\][0-9a-f]{2}[/\\][0-9a-f]{28}\.val")
"""How diskcache names such a file. No other name is opened or removed, whatever the database says."""


class BytesDisk(diskcache.Disk):
    """A diskcache disk of text keys and byte values; it never pickles or unpickles."""

    def put(self, key: Any) -> tuple[Any, bool]:
        """Take a text key as it is."""
        if not isinstance(key, str):
            raise TypeError(f"keys are text, not {type(key).__name__}")
        return key, True

    def get(self, key: Any, raw: bool) -> Any:
        """Give a text key back."""
        if not raw or not isinstance(key, str):
            raise ValueError("a key that isn't text")
        return key

    def store(self, value: Any, read: bool, key: Any = diskcache.UNKNOWN) -> Any:
        """Take bytes, into the database or into a file."""
        if read or not isinstance(value, bytes):
            raise TypeError(f"values are bytes, not {type(value).__name__}")
        return super().store(value, read, key)

    def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> bytes:
        """Give bytes back."""
        if read:
            raise ValueError("values are given as bytes, not as files")
        if mode == diskcache.core.MODE_RAW and filename is None and isinstance(value, bytes):
            return value
        if mode == diskcache.core.MODE_BINARY and filename is not None and _FILE.fullmatch(filename):
            return Path(self._directory, filename).read_bytes()
        raise ValueError("a value that isn't bytes")

    def remove(self, file_path: str) -> None:
        """Remove a value's file."""
        if _FILE.fullmatch(file_path):
            super().remove(file_path)


class _Cache(diskcache.Cache):
    """A diskcache that makes room before it stores, and no more than is needed; by itself it does so afterwards, ten
    entries at a time."""

    def make_room(self, most: int) -> None:
        """Remove what has expired, then the least recently used, until all takes at most `most` bytes."""
        self.expire()
        while self.volume() > most:
            with self._transact() as (sql, cleanup):
                rows = sql("SELECT rowid, filename FROM Cache ORDER BY access_time LIMIT 1").fetchall()
                if not rows:
                    return
                sql("DELETE FROM Cache WHERE rowid = ?", rows[0][:1])
                cleanup(rows[0][1])


@dataclass(frozen=True)
class DiskStats:
    """What a cache has done since it was opened, and how much it holds."""

    hits: int
    misses: int
    stored: int
    entries: int
    bytes: int
    limit: int
    """Most bytes."""
    broken: bool
    """Whether it could not be used, and is left alone."""


class DiskCache:
    """Bytes by text keys; where it can't be used, it is empty and stores nothing. Safe from any thread."""

    def __init__(self, folder: Path, name: str, max_bytes: int) -> None:
        """`name` is what the log calls it; `max_bytes` bounds all that is in the folder."""
        self._folder = folder
        self._name = name
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._broken = False
        self._hits = self._misses = self._stored = 0
        self._cache: Any = None
        self._cache = self._guarded(self._open, None)

    def get(self, key: str) -> bytes | None:
        """The bytes of a key, which counts as a use of them."""
        data = self._guarded(lambda: self._cache.get(key), None)
        with self._lock:
            self._hits += data is not None
            self._misses += data is None
        return data

    def put(self, key: str, data: bytes, seconds: float | None = None) -> None:
        """Store bytes, for at most `seconds`; what is too large for the cache is left out."""
        # An entry takes a row and the pages around it, too.
        if len(data) < self._max_bytes // 2:
            self._guarded(lambda: self._put(key, data, seconds), None)

    def remove(self, key: str) -> None:
        """Forget a key."""
        self._guarded(lambda: self._cache.delete(key), None)

    def stored_keys(self) -> list[str]:
        """All keys at this time."""
        none: list[str] = []
        return self._guarded(lambda: list(self._cache.iterkeys()), none)

    def stats(self) -> DiskStats:
        """What it has done and what it holds."""
        entries = self._guarded(lambda: len(self._cache), 0)
        size = self._guarded(lambda: int(self._cache.volume()), 0)
        return DiskStats(self._hits, self._misses, self._stored, entries, size, self._max_bytes, self._broken)

    def close(self) -> None:
        """Close the database."""
        if self._cache is not None:
            self._guarded(self._cache.close, None)

    def _open(self) -> Any:
        cache = _Cache(
            str(self._folder),
            timeout=_LOCK_TIMEOUT,
            disk=BytesDisk,
            disk_min_file_size=_IN_DATABASE,
            cull_limit=0,
            eviction_policy="least-recently-used",
        )
        cache.make_room(self._max_bytes)  # the bound may be lower than last time
        return cache

    def _put(self, key: str, data: bytes, seconds: float | None) -> None:
        with self._lock:
            self._cache.make_room(self._max_bytes - len(data))
            self._cache.set(key, data, expire=seconds)
            self._stored += 1

    def _guarded(self, action: Callable[[], T], otherwise: T) -> T:
        """Do something with the cache; after the first failure, nothing any more."""
        if self._broken:
            return otherwise
        try:
            return action()
        except (OSError, sqlite3.Error, diskcache.Timeout, ValueError, TypeError) as error:
            self._broken = True
            reason = " ".join(str(error).split()) or type(error).__name__
            log.warning("%s: %s can't be used (%s); going on without it", self._folder, self._name, reason)
            return otherwise
