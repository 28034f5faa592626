"""Balance: no symbol, no library and no kind of question takes more than its part, and the best of each stays.

First each symbol, or section of a page, is held to its records. Then the libraries are held to their share and the
kinds of question to theirs, in turn, until both hold; then the whole to its size. Within a cap those go first that the
plentiful kinds have too many of; within a kind, those stay that show an example of the library itself, that
bring a symbol not seen yet, and that are about names near the top of a library (`re.sub`, not
`xml.sax.handler.ContentHandler.skippedEntity`); a hash decides among equals. The order in which records come changes
nothing. Knows nothing about the sides of the split.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from operator import attrgetter

from bundle.digests import digest_text
from bundle.records import Record
from curation.reason import Reason
from curation.settings import CurationSettings


@dataclass(frozen=True)
class Balanced:
    """What stays and what goes; each in the order in which it came."""

    kept: list[Record]
    dropped: list[tuple[Record, Reason]]
    """With the reason `balance`."""


@dataclass
class _Candidate:
    record: Record
    tie: str
    """Digest of the record; decides among equals."""
    place: int = 0
    """Its place among the records of its symbol, the best first."""
    turn: int = 0
    """Its place among the records of its library and kind, the best first."""
    quantile: float = 0.0
    """The same as a share of them."""
    dropped: str = ""
    """Why it goes; empty where it stays."""

    @property
    def library(self) -> str:
        return self.record.provenance.package

    @property
    def kind(self) -> str:
        return self.record.provenance.kind

    @property
    def subject(self) -> str:
        """What it is about: its section, where a page was read (many sections use `requests.get`, each for something
        else), or its symbol; a record with neither is the only one about what it is about.
        """
        return self.record.provenance.url or self.record.provenance.symbol or self.tie

    @property
    def quality(self) -> tuple[bool, int, int, str]:
        return self.record.provenance.written, self.place, self.record.provenance.symbol.count("."), self.tie


def balance(records: Sequence[Record], settings: CurationSettings) -> Balanced:
    """Hold records to the caps of the settings: `records_a_symbol`, `max_share`, `max_kind_share`, `max_records`."""
    candidates = [_Candidate(record, digest_text(record.model_dump_json())) for record in records]
    _cap_symbols(candidates, settings.filters.records_a_symbol)
    _rank(candidates)
    libraries = _Share("library", settings.max_share, candidates)
    kinds = _Share("kind", settings.filters.max_kind_share, candidates)
    _cap_shares(candidates, (libraries, kinds))
    if settings.max_records:
        _rank(candidates)
        best = sorted(_staying(candidates), key=lambda one: (one.quantile, one.quality))
        _drop(best[settings.max_records :], f"the dataset has its {settings.max_records:,} records")
        _cap_shares(candidates, (libraries, kinds))
    return Balanced(
        [one.record for one in candidates if not one.dropped],
        [(one.record, Reason("balance", one.dropped)) for one in candidates if one.dropped],
    )


def bound(counts: Collection[int], share: float) -> int:
    """The most records that a part may have, so that no part has more than `share` of what is then left.

    Args:
        counts: how many records each part has.
        share: the largest share, above 0 and up to 1.

    Returns:
        The largest such number; 0 where there are too few parts for so small a share.
    """
    exact = Fraction(share).limit_denominator(1_000_000)
    rest = sum(counts)
    for held, count in enumerate(sorted(counts, reverse=True)):
        # With the `held` largest parts held to b, and the others whole: b = share * (held * b + rest).
        most = exact * rest / (1 - held * exact)
        if count <= most:
            return int(most)
        rest -= count
    return 0


class _Share:
    """The share that each library, or each kind of question, is held to, where there are three or more.

    It is never held to less than an equal part of all records: where two libraries are large and the others tiny, the
    share can't be had without throwing most of the records away.
    """

    def __init__(self, what: str, share: float, candidates: Iterable[_Candidate]) -> None:
        self._part: Callable[[_Candidate], str] = attrgetter(what)
        self._share = share
        counts = Counter(map(self._part, _staying(candidates)))
        self._least = counts.total() // len(counts) if counts else 0

    def cap(self, candidates: Iterable[_Candidate]) -> int:
        """Drop what is too much; returns how many."""
        parts: dict[str, list[_Candidate]] = defaultdict(list)
        for one in _staying(candidates):
            parts[self._part(one)].append(one)
        if len(parts) < 3:
            return 0
        most = max(self._least, bound([len(part) for part in parts.values()], self._share))
        dropped = 0
        for name, part in parts.items():
            part.sort(key=lambda one: (one.turn, one.quality))
            dropped += _drop(part[most:], f"{name} has its {most:,} records")
        return dropped


def _cap_symbols(candidates: Iterable[_Candidate], most: int) -> None:
    """Hold each symbol to its records, of as many kinds as there are."""
    symbols: dict[str, dict[str, list[_Candidate]]] = defaultdict(lambda: defaultdict(list))
    for one in candidates:
        symbols[one.subject][one.kind].append(one)
    for symbol, kinds in symbols.items():
        turns = []
        for kind in kinds.values():
            kind.sort(key=lambda one: one.quality)
            turns += list(enumerate(kind))
        turns.sort(key=lambda turn: (turn[0], turn[1].quality))
        for place, (_, one) in enumerate(turns):
            one.place = place
        _drop([one for _, one in turns[most:]], f"{symbol} has its {most:,} records")


def _cap_shares(candidates: Sequence[_Candidate], shares: Sequence[_Share]) -> None:
    while sum(share.cap(candidates) for share in shares):
        pass


def _rank(candidates: Iterable[_Candidate]) -> None:
    cells: dict[tuple[str, str], list[_Candidate]] = defaultdict(list)
    for one in _staying(candidates):
        cells[one.library, one.kind].append(one)
    for cell in cells.values():
        cell.sort(key=lambda one: one.quality)
        for turn, one in enumerate(cell):
            one.turn, one.quantile = turn, (turn + 0.5) / len(cell)


def _staying(candidates: Iterable[_Candidate]) -> Iterator[_Candidate]:
    return (one for one in candidates if not one.dropped)


def _drop(candidates: Sequence[_Candidate], why: str) -> int:
    for one in candidates:
        one.dropped = why
    return len(candidates)
