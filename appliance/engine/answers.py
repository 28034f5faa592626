"""The disk cache of whole answers: the same question under the same settings gives the stored answer.

It holds JSON as bytes and nothing else: diskcache would also store and load pickles, which run code when they are
read. Its size is bounded, the least recently used answers go first. Whatever goes wrong with it is logged once and
never costs an answer. Knows nothing about who asks.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import diskcache
from pydantic import TypeAdapter, ValidationError

from appliance.engine.request import Finished, GenerationRequest
from bundle.digests import digest_value

log = logging.getLogger(__name__)

T = TypeVar("T")

FORMAT = 2
"""Raised by hand when the meaning of a stored answer changes."""
MAX_ANSWER_BYTES = 1_000_000
"""Larger answers are not stored."""
_LOCK_TIMEOUT = 1.0
"""Seconds to wait for another process that writes."""


class BytesDisk(diskcache.Disk):
    """A diskcache disk of text keys and byte values, in the database itself; it never pickles or unpickles."""

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

    def store(self, value: Any, read: bool, key: Any = diskcache.UNKNOWN) -> tuple[int, int, None, Any]:
        """Take bytes as they are."""
        if read or not isinstance(value, bytes):
            raise TypeError(f"values are bytes, not {type(value).__name__}")
        return 0, diskcache.core.MODE_RAW, None, sqlite3.Binary(value)

    def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> bytes:
        """Give bytes back."""
        if mode != diskcache.core.MODE_RAW or filename is not None or read or not isinstance(value, bytes):
            raise ValueError("a value that isn't bytes")
        return value


@dataclass(frozen=True)
class StoredAnswer:
    """A whole answer."""

    text: str
    finished: Finished


_STORED = TypeAdapter(StoredAnswer)


class AnswerCache:
    """Answers on disk, for one model file; a cache that can't be used is empty and stores nothing."""

    def __init__(self, folder: Path, model_digest: str, max_bytes: int) -> None:
        """`model_digest` stands for the GGUF file; `max_bytes` bounds the folder's size."""
        self._folder = folder
        self._model_digest = model_digest
        self._lock = threading.Lock()
        self._broken = False
        self._cache: Any = None
        self._cache = self._guarded(lambda: self._open(max_bytes), None)

    def get(self, request: GenerationRequest) -> StoredAnswer | None:
        """The stored answer to a request, if there is one."""
        data = self._guarded(lambda: self._cache.get(self._key(request)), None)
        return None if data is None else self._guarded(lambda: _STORED.validate_json(data), None)

    def put(self, request: GenerationRequest, answer: StoredAnswer) -> None:
        """Store the answer to a request, unless its time was up before it was whole."""
        data = _STORED.dump_json(answer)
        if len(data) <= MAX_ANSWER_BYTES and answer.finished.reason != "deadline":
            self._guarded(lambda: self._cache.set(self._key(request), data), None)

    def close(self) -> None:
        """Close the database."""
        self._guarded(self._close, None)

    def _close(self) -> None:
        self._cache.close()

    def _open(self, max_bytes: int) -> Any:
        cache = diskcache.Cache(
            str(self._folder),
            timeout=_LOCK_TIMEOUT,
            disk=BytesDisk,
            size_limit=max_bytes,
            eviction_policy="least-recently-used",
        )
        cache.cull()  # the bound may be lower than last time
        return cache

    def _key(self, request: GenerationRequest) -> str:
        asked = asdict(replace(request, client="", deadline=None))
        return digest_value({"format": FORMAT, "model": self._model_digest, "request": asked})

    def _guarded(self, action: Callable[[], T], otherwise: T) -> T:
        """Do something with the cache; after the first failure, nothing any more."""
        if self._broken:
            return otherwise
        try:
            return action()
        except (OSError, sqlite3.Error, diskcache.Timeout, ValidationError, ValueError, TypeError) as error:
            with self._lock:
                if not self._broken:
                    self._broken = True
                    reason = " ".join(str(error).split()) or type(error).__name__
                    log.warning("%s: the answer cache can't be used (%s); going on without it", self._folder, reason)
            return otherwise
