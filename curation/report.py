"""The dataset's report: counts of what was composed, kept and dropped. Knows nothing about why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Report:
    """Counted while the stage runs; its JSON form is report.json."""

    entries: int = 0
    """Raw entries in the corpus."""
    raw: int = 0
    """Composed records, before any filter."""
    kept: int = 0
    train: int = 0
    eval: int = 0
    by_library: Counter[str] = field(default_factory=Counter)
    """Kept records by library."""
    by_kind: Counter[str] = field(default_factory=Counter)
    """Kept records by kind of question."""
    rejected: Counter[str] = field(default_factory=Counter)
    """Dropped records by reason code."""
    seconds: float = 0.0
    """Wall time of the stage."""
    lengths: list[int] = field(default_factory=list)
    """Characters of each kept answer."""

    def to_json(self) -> dict[str, Any]:
        """The report's values; of the lengths their median and 95th percentile, in characters."""
        value = dict(vars(self))
        value["lengths"] = {"median": quantile(self.lengths, 0.5), "p95": quantile(self.lengths, 0.95)}
        value["seconds"] = round(self.seconds, 1)
        return value


def quantile(values: Sequence[int], share: float) -> int:
    """The smallest value that at least this share of the values don't exceed; 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))] if ordered else 0
