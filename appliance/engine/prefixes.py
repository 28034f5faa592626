"""The disk cache of prefixes: what the memory holds of a prompt's beginning, so that it is warm after a restart.

An entry is llama.cpp's state of a sequence, without logits, behind its digest: llama.cpp must never get bytes that it
didn't write. Knows nothing about requests or sequences.
"""

from __future__ import annotations

import hashlib
import logging
from array import array
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from appliance.engine.disk import DiskCache, DiskStats

log = logging.getLogger(__name__)

STEP = 16
"""Stored prefixes have a multiple of this many tokens, so that there aren't many of nearly the same."""
SHORTEST = 32
"""Fewer tokens are not worth a file."""
STATE = 32
"""Where in an entry the state begins, after its digest."""
"""Bytes of the digest before an entry."""


class PrefixStore:
    """Prefixes on disk, for one model in one kind of context. All but its writing is for one thread."""

    def __init__(self, folder: Path, stamp: str, max_bytes: int) -> None:
        """`stamp` stands for all that a state depends on: the model and the context's settings."""
        self._stamp = stamp
        self._cache = DiskCache(folder, "the cache of prefixes", max_bytes)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="prefixes")
        self._writing: Future[None] | None = None
        self._known: dict[int, set[str]] = {}
        for key in self._cache.stored_keys():
            if key.startswith(f"{stamp}:"):
                self._learn(key)

    def longest(self, prompt: Sequence[int], adapter: str = "") -> int:
        """How many tokens of a prompt, without its last, the longest stored prefix has; 0 where there is none.

        `adapter` is the digest of the adapter that it is computed with, here and below.
        """
        lengths = sorted((length for length in self._known if length < len(prompt)), reverse=True)
        return next((length for length in lengths if self._key(prompt[:length], adapter) in self._known[length]), 0)

    def load(self, prefix: Sequence[int], adapter: str = "") -> bytes | None:
        """The entry of a prefix, with its state from `STATE` on; None, and no longer known, where it is gone or
        damaged."""
        key = self._key(prefix, adapter)
        data = self._cache.get(key)
        if data is not None and _digest(memoryview(data)[STATE:]) == data[:STATE]:
            return data
        self._known[len(prefix)].discard(key)
        if data is not None:
            log.warning("a stored prefix of %d tokens is damaged; it is computed anew", len(prefix))
            self._cache.remove(key)
        return None

    def due(self, prefix: Sequence[int], adapter: str) -> int:
        """How many tokens of a prefix that was used again are to be stored; 0 where they are, or it isn't worth it.

        While one is being written, others are passed over.
        """
        length = len(prefix) // STEP * STEP
        if length < SHORTEST or (self._writing is not None and not self._writing.done()):
            return 0
        return 0 if self._key(prefix[:length], adapter) in self._known.get(length, ()) else length

    def store(self, prefix: Sequence[int], adapter: str, state: bytes) -> None:
        """Store the state of a prefix; it is written beside the computing."""
        key = self._key(prefix, adapter)
        self._learn(key)
        self._writing = self._writer.submit(self._write, key, state)

    def stats(self) -> DiskStats:
        """How often it had a prefix, and how much it holds."""
        return self._cache.stats()

    def close(self) -> None:
        """Finish writing and close the database."""
        self._writer.shutdown()
        self._cache.close()

    def _write(self, key: str, state: bytes) -> None:
        self._cache.put(key, _digest(state) + state)

    def _learn(self, key: str) -> None:
        length = key.split(":")[1]
        if length.isdigit():
            self._known.setdefault(int(length), set()).add(key)

    def _key(self, prefix: Sequence[int], adapter: str) -> str:
        digest = hashlib.sha256(adapter.encode() + b"\0" + array("i", prefix).tobytes())
        return f"{self._stamp}:{len(prefix)}:{digest.hexdigest()}"


def _digest(state: bytes | memoryview) -> bytes:
    """BLAKE2b, which takes half of SHA-256's time where the processor has no instructions for the latter."""
    return hashlib.blake2b(state, digest_size=STATE).digest()
