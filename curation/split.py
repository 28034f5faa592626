"""Which side of the split a record is on, decided by a hash of the symbol alone, and how many records a library keeps.

So a symbol's side never changes as the corpus grows, and no symbol is on both sides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping


def position(symbol: str, salt: str) -> float:
    """A number from 0 up to 1 that depends on the symbol and the salt alone."""
    return int.from_bytes(hashlib.sha256(f"{salt} {symbol}".encode()).digest()[:8]) / 2**64


def is_held_out(symbol: str, share: float) -> bool:
    """Whether a symbol's records are held out, where this share of all symbols is."""
    return position(symbol, "held out") < share


def caps(counts: Mapping[str, int], share: float) -> dict[str, int]:
    """How many records each library keeps so that none has more than `share` of what is kept.

    A cap never goes below an equal part of all records, so two or three unequal libraries lose little: there the
    share can't be had without throwing most of the records away.
    """
    total = sum(counts.values())
    floor = total // len(counts) if counts else 0
    kept = dict(counts)
    for library in sorted(counts, key=lambda name: (-counts[name], name)):
        others = sum(kept.values()) - kept[library]
        limit = int(share / (1 - share) * others)
        if len(counts) > 2 and kept[library] > limit:
            kept[library] = min(kept[library], max(limit, floor))
    return kept
