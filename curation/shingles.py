"""How alike two records are: Jaccard similarity of word 3-grams, half of it the words, half of it the code.

A record counts as its words (question and answer without the code block) and its code (without comments, so without
the recorded output). The similarity of two records is the mean of the two similarities: siblings whose prose comes
from one template stay apart by their code, and one code told in other words is found. Candidates come from MinHash
with locality-sensitive hashing (Broder 1997; Indyk and Motwani 1998; datasketch), and are then compared exactly, so
what is called alike is alike. Every hash is fixed: the same input gives the same result everywhere. Knows nothing
about what is done with records that are alike.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from datasketch import MinHash, MinHashLSH
from numpy.typing import NDArray

from bundle.records import Record
from curation.answer import code_of, normalised, prose_of

Grams = NDArray[np.uint64]
"""Hashes of n-grams: sorted, each once."""

PERMUTATIONS = 64
"""Permutations of each half of a record's sketch."""
BANDS, BAND = 32, 4
"""Bands of a sketch and values of a band, two of each half: of pairs that are 0.85 alike one in 10^9 is missed."""
DOUBT = 6.4
"""Standard deviations that a sketch's estimate may lie below a similarity: one pair in 10^9 lies lower."""
_WORD = re.compile(r"\w+")
_MIX = np.uint64(0x9E3779B97F4A7C15)
_HALF = MinHash(num_perm=PERMUTATIONS, seed=1, hashfunc=int)
_WHOLE = MinHash(num_perm=2 * PERMUTATIONS, seed=1)


def word_count(text: str) -> int:
    """How many words a text has."""
    return len(_WORD.findall(text))


def grams(text: str, length: int) -> Grams:
    """The hashes of a text's word n-grams of this length; a shorter text counts as one n-gram, an empty one as none."""
    words = [_word(word) for word in _WORD.findall(text.lower())]
    if not words:
        return np.empty(0, dtype=np.uint64)
    length = min(length, len(words))
    codes = np.array(words, dtype=np.uint64)
    count = len(codes) - length + 1
    hashes = np.full(count, length, dtype=np.uint64)
    for place in range(length):
        hashes = (hashes ^ codes[place : place + count]) * _MIX
        hashes ^= hashes >> np.uint64(32)
    return np.unique(hashes)


@lru_cache(maxsize=1 << 16)
def _word(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=8).digest(), "big")


def jaccard(one: Grams, other: Grams) -> float:
    """The Jaccard similarity of two sets; 1 for two empty ones."""
    both = np.concatenate((one, other))
    both.sort()
    shared = int(np.count_nonzero(both[1:] == both[:-1]))
    return shared / (len(both) - shared) if len(both) else 1.0


@dataclass(frozen=True)
class Shingles:
    """The word 3-grams of a record."""

    words: Grams
    code: Grams

    def similarity(self, other: Shingles) -> float:
        """How alike two records are, from 0 to 1."""
        return (jaccard(self.words, other.words) + jaccard(self.code, other.code)) / 2

    @cached_property
    def sketch(self) -> MinHash:
        """A MinHash whose share of equal values estimates the similarity; each band has values of both halves."""
        halves = []
        for half in (self.words, self.code):
            minhash = _HALF.copy()
            minhash.update_batch((half >> np.uint64(32)).tolist())
            halves.append(minhash.hashvalues.reshape(BANDS, BAND // 2))
        values = np.concatenate(halves, axis=1).ravel()
        return MinHash(seed=1, hashvalues=values, permutations=_WHOLE.permutations, scheme=_WHOLE.scheme)


def shingles(record: Record) -> Shingles:
    """The word 3-grams of a record."""
    return _shingles(f"{record.question}\n{prose_of(record)}", code_of(record))


@lru_cache(maxsize=1 << 14)
def _shingles(words: str, code: str) -> Shingles:
    # A record is looked at when it is judged, split, split again and proven.
    return Shingles(grams(words, 3), grams(normalised(code), 3))


class Index:
    """Records by what they are like; each is known by its number, in the order in which it was added."""

    def __init__(self, similarity: float) -> None:
        """`similarity`: from what on two records are alike, from 0 to 1."""
        self._similarity = similarity
        width = 2 * PERMUTATIONS
        self._least = width * (similarity - DOUBT * math.sqrt(similarity * (1 - similarity) / width))
        self._lsh = MinHashLSH(num_perm=width, params=(BANDS, BAND))
        self._known: list[Shingles] = []
        self._sketches = np.empty((256, width), dtype=np.uint8)

    def add(self, one: Shingles) -> None:
        """Take a record in."""
        number = len(self._known)
        if number == len(self._sketches):
            self._sketches = np.concatenate((self._sketches, np.empty_like(self._sketches)))
        self._sketches[number] = one.sketch.hashvalues.astype(np.uint8)
        self._lsh.insert(number, one.sketch, check_duplication=False)
        self._known.append(one)

    def alike(self, one: Shingles) -> Iterator[tuple[int, float]]:
        """The numbers of the records that are alike, from the first on, with how much.

        Where many records are told in one form, most of them are candidates. The lowest byte of each value of their
        sketches (b-bit minwise hashing, Li and König 2010) rules out, all at once, what is not worth comparing.
        """
        candidates = np.array(self._lsh.query(one.sketch), dtype=np.intp)
        equal = np.count_nonzero(self._sketches[candidates] == one.sketch.hashvalues.astype(np.uint8), axis=1)
        for number in np.sort(candidates[equal >= self._least]).tolist():
            similarity = one.similarity(self._known[number])
            if similarity >= self._similarity:
                yield number, similarity
