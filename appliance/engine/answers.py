"""The disk cache of whole answers: the same question under the same settings gives the stored answer.

Knows nothing about who asks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from appliance.engine.disk import DiskCache, DiskStats
from appliance.engine.request import Finished, GenerationRequest
from bundle.digests import digest_text

FORMAT = 5
"""Raised by hand when the meaning of a stored answer changes."""
MAX_ANSWER_BYTES = 1_000_000
"""Larger answers are not stored."""


@dataclass(frozen=True)
class StoredAnswer:
    """A whole answer."""

    text: str
    finished: Finished
    repaired: bool = False
    """Whether its code went on otherwise where it named what doesn't exist."""


_STORED = TypeAdapter(StoredAnswer)


class AnswerCache:
    """Answers on disk, for one model file; a cache that can't be used is empty and stores nothing."""

    def __init__(self, folder: Path, model_digest: str, max_bytes: int, seconds: float | None = None) -> None:
        """`model_digest` stands for the GGUF file; `max_bytes` bounds the folder's size, `seconds` an answer's life."""
        self._model_digest = model_digest
        self._seconds = seconds
        self._cache = DiskCache(folder, "the answer cache", max_bytes)

    def get(self, request: GenerationRequest, how: str = "") -> StoredAnswer | None:
        """The stored answer to a request, if there is one; `how` is all else that it depends on."""
        key = self._key(request, how)
        data = self._cache.get(key)
        try:
            return None if data is None else _STORED.validate_json(data)
        except ValidationError:  # damaged
            self._cache.remove(key)
            return None

    def put(self, request: GenerationRequest, answer: StoredAnswer, how: str = "") -> None:
        """Store the answer to a request, unless its time was up before it was whole."""
        data = _STORED.dump_json(answer)
        if len(data) <= MAX_ANSWER_BYTES and answer.finished.reason != "deadline":
            self._cache.put(self._key(request, how), data, self._seconds)

    def stats(self) -> DiskStats:
        """How often it had an answer, and how much it holds."""
        return self._cache.stats()

    def close(self) -> None:
        """Close the database."""
        self._cache.close()

    def _key(self, request: GenerationRequest, how: str) -> str:
        asked = replace(request, client="", deadline=None)
        return digest_text(f"{FORMAT} {self._model_digest} {how} {asked!r}")
