"""The index of the documentation: an SQLite file that curation writes, convert carries and the appliance reads.

    passage   the passages, as JSON, by their number, and how familiar each is
    name      every name that a passage's symbol goes by: `numpy.linalg.norm`, `linalg.norm`, `norm`
    root      the first parts of all symbols, and their libraries
    words     their words, with the full-text index (FTS5)
    frequency how many passages have a word
    length    how many words a passage has on average: in its name, its summary and the rest

The file may be a stranger's: it is opened without a right to write, has to be of this very form, and reading may take
only so many steps. Knows nothing about questions; `retrieval.py` does.
"""

from __future__ import annotations

import math
import re
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple, Self

from bundle.atomic import atomic_bytes
from bundle.errors import BundleError
from bundle.passages import Passage
from bundle.words import words

FORMAT = 2
APPLICATION = 0x426F6666
"""SQLite's mark for a file of this kind."""
MAX_BYTES = 1 << 30
"""Bytes of an index beyond which it isn't opened."""
_MAX_VALUE = 4 << 20
_MAX_TICKS = 2_000
"""How often a search may go on for another `_TICK` of SQLite's steps."""
_TICK = 10_000
_SAME_NAME, _SIBLINGS, _ROOTS = 64, 3_000, 100_000
_SCHEMA = {
    "passage": (
        "CREATE TABLE passage (number INTEGER PRIMARY KEY, symbol TEXT NOT NULL, familiar REAL NOT NULL, "
        "body TEXT NOT NULL)"
    ),
    "name": "CREATE TABLE name (name TEXT, passage INTEGER, PRIMARY KEY (name, passage)) WITHOUT ROWID",
    "root": "CREATE TABLE root (name TEXT PRIMARY KEY, package TEXT NOT NULL) WITHOUT ROWID",
    "words": "CREATE VIRTUAL TABLE words USING fts5(names, summary, details, tokenize=\"unicode61 tokenchars '._'\")",
    "frequency": "CREATE TABLE frequency (word TEXT PRIMARY KEY, passages INTEGER NOT NULL) WITHOUT ROWID",
    "length": "CREATE TABLE length (names REAL NOT NULL, summary REAL NOT NULL, details REAL NOT NULL)",
}
_CALLED = re.compile(r"\b[A-Za-z_]\w*(?=\s*\()|(?<=\.)[A-Za-z_]\w*|\b[A-Z]\w+")
"""What code calls, takes from something, or names as a class."""
_WELL_KNOWN = 5.0
"""The logarithm of how many examples show what everybody knows."""
_OWNED = {"words_data", "words_idx", "words_content", "words_docsize", "words_config"}
"""FTS5's own tables."""


def write_index(path: Path, passages: Iterable[Passage]) -> int:
    """Write the index of some passages, atomically; returns how many. Equal passages give equal bytes."""
    passages = list(passages)
    count = len(passages)
    shown = Counter(name for passage in passages for name in set(_CALLED.findall(passage.example)))
    frequency: Counter[str] = Counter()
    lengths = [0, 0, 0]
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as base:
        base.execute(f"PRAGMA application_id = {APPLICATION}")
        base.execute(f"PRAGMA user_version = {FORMAT}")
        for statement in _SCHEMA.values():
            base.execute(statement)
        base.execute("BEGIN")
        for number, passage in enumerate(passages, start=1):
            known = list(_known_as(passage.symbol))
            base.execute(
                "INSERT INTO passage VALUES (?, ?, ?, ?)",
                (number, passage.symbol.lower(), _familiar(passage.symbol, shown), passage.model_dump_json()),
            )
            base.executemany("INSERT INTO name VALUES (?, ?)", [(name, number) for name in known])
            roots = [(known[0].partition(".")[0], passage.package)] if known else []
            base.executemany("INSERT OR IGNORE INTO root VALUES (?, ?)", roots)
            texts = (passage.title, passage.summary, f"{passage.signature}\n{passage.parameters}\n{passage.example}")
            columns = [words(text) for text in texts]
            frequency.update({word for column in columns for word in column})
            lengths = [total + len(column) for total, column in zip(lengths, columns, strict=True)]
            row = (number, *map(" ".join, columns))
            base.execute("INSERT INTO words (rowid, names, summary, details) VALUES (?, ?, ?, ?)", row)
        base.executemany("INSERT INTO frequency VALUES (?, ?)", sorted(frequency.items()))
        base.execute("INSERT INTO length VALUES (?, ?, ?)", [max(total / max(count, 1), 1.0) for total in lengths])
        base.execute("COMMIT")
        base.execute("INSERT INTO words (words) VALUES ('optimize')")
        base.execute("VACUUM")
        data = base.serialize()
    with atomic_bytes(path) as handle:
        handle.write(data)
    return count


def _familiar(symbol: str, shown: Mapping[str, int]) -> float:
    """How familiar a symbol is, from 0 to 1: how many examples show it, and what it belongs to.

    Of a dozen `repeat` it tells numpy's own and that of an `Index` from that of an `IntervalArray`.
    """
    parts = symbol.split(".")
    if not symbol:
        return 0.0
    own = min(math.log1p(shown.get(parts[-1], 0)) / _WELL_KNOWN, 1.0)
    if len(parts) > 2 and parts[-2][:1].isupper():
        owner = min(math.log1p(shown.get(parts[-2], 0)) / _WELL_KNOWN, 1.0)
    else:
        # What stands directly in a library is meant to be seen, and what stands deep in it less so.
        owner = 0.8 / max(len(parts) - 1, 1)
    return round((own + owner) / 2, 4)


def _known_as(symbol: str) -> Iterator[str]:
    """The names that a symbol goes by in lower case, the full one first."""
    parts = symbol.lower().split(".") if symbol else []
    for start in range(len(parts)):
        yield ".".join(parts[start:])


class Words(NamedTuple):
    """The words of a passage."""

    symbol: str
    """Its symbol in lower case; empty where it is about none."""
    familiar: float
    """How familiar that is, from 0 to 1."""
    fields: list[list[str]]
    """Those of its name, of its summary and of the rest."""


class Documentation:
    """An index, open for reading; may be used from many threads, which take turns."""

    def __init__(self, path: Path) -> None:
        """Open an index and check that it is one.

        Raises:
            BundleError: it is missing, too large, damaged or of another form.
        """
        self._path = path
        self._lock = threading.Lock()
        self._ticks = 0
        if not path.is_file():
            raise BundleError(f"{path}: no index of the documentation here; convert or copy it anew")
        if path.stat().st_size > MAX_BYTES:
            raise BundleError(f"{path}: an index of more than {MAX_BYTES:,} bytes isn't read; do not use this bundle")
        # Nothing may be written beside the file either, as SQLite else does to share it.
        address = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
        with self._told():
            self._base = sqlite3.connect(address, uri=True, check_same_thread=False, isolation_level=None)
        try:
            with self._told():
                self._prepare()
        except BaseException:
            self._base.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._base.close()

    def _prepare(self) -> None:
        base = self._base
        base.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE)
        base.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        base.execute("PRAGMA trusted_schema = OFF")
        base.execute("PRAGMA cell_size_check = ON")
        base.set_progress_handler(self._tick, _TICK)
        there = {name: (kind, sql) for kind, name, sql in base.execute("SELECT type, name, sql FROM sqlite_master")}
        expected = {name: ("table", sql) for name, sql in _SCHEMA.items()}
        marks = [base.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
        wrong = [name for name, found in there.items() if name in _OWNED and found[0] != "table"]
        if marks != [APPLICATION, FORMAT] or there.keys() != {*_SCHEMA, *_OWNED} or wrong:
            raise BundleError(f"{self._path}: not an index that this program reads; convert anew")
        if any(there[name] != value for name, value in expected.items()):
            raise BundleError(f"{self._path}: not an index that this program reads; convert anew")
        base.execute("PRAGMA query_only = ON")
        self.size: int = base.execute("SELECT count(*) FROM passage").fetchone()[0]
        rows = base.execute("SELECT name, package FROM root LIMIT ?", (_ROOTS,)).fetchall()
        self.roots: Mapping[str, str] = {str(name): str(package) for name, package in rows}
        lengths = base.execute("SELECT names, summary, details FROM length").fetchone() or (1, 1, 1)
        self.lengths: Sequence[float] = [max(float(value), 1.0) for value in lengths]
        """Words that a passage has on average in its name, its summary and the rest."""

    def _tick(self) -> int:
        """Ends a statement that takes too many steps."""
        self._ticks += 1
        return int(self._ticks > _MAX_TICKS)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Read in the block; others wait meanwhile.

        Raises:
            BundleError: the index is damaged, or reading it takes too many steps.
        """
        with self._lock, self._told():
            yield

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell what SQLite finds wrong in one line."""
        self._ticks = 0
        try:
            yield
        except (sqlite3.Error, ValueError, TypeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise BundleError(f"{self._path}: the index can't be read ({reason}); convert or copy it anew") from None

    # To be called while `reading`

    def numbers(self, name: str) -> list[int]:
        """The passages of the symbols that go by a name in lower case."""
        rows = self._base.execute("SELECT passage FROM name WHERE name = ? LIMIT ?", (name, _SAME_NAME))
        return [int(number) for (number,) in rows]

    def members(self, owner: str) -> list[str]:
        """The names, in lower case, of what stands directly below a symbol: `dataframe` gives `merge`, `head` …"""
        rows = self._base.execute(
            "SELECT DISTINCT name FROM name WHERE name > ? AND name < ? LIMIT ?", (f"{owner}.", f"{owner}/", _SIBLINGS)
        )
        return [member for (name,) in rows if "." not in (member := str(name)[len(owner) + 1 :])]

    def frequency(self, word: str) -> int:
        """How many passages have a word."""
        row = self._base.execute("SELECT passages FROM frequency WHERE word = ?", (word,)).fetchone()
        return int(row[0]) if row else 0

    def likely(self, words: Sequence[str], most: int) -> list[int]:
        """The passages that have some of the words, by SQLite's BM25, best first; at most so many."""
        query = " OR ".join(f'"{word}"' for word in words)
        rank = "SELECT rowid FROM words WHERE words MATCH ? ORDER BY bm25(words, 4.0, 2.0, 1.0) LIMIT ?"
        return [int(number) for (number,) in self._base.execute(rank, (query, most))] if query else []

    def words(self, number: int) -> Words:
        """What a passage is looked at closely by."""
        both = "FROM passage, words WHERE number = ? AND words.rowid = number"
        query = f"SELECT symbol, familiar, names, summary, details {both}"
        row = self._base.execute(query, (number,)).fetchone()
        symbol, familiar, *fields = row or ("", 0.0, "", "", "")
        return Words(str(symbol), min(max(float(familiar), 0.0), 1.0), [str(field).split() for field in fields])

    def symbol(self, number: int) -> str:
        """The symbol of a passage in lower case; empty where it is about none."""
        row = self._base.execute("SELECT symbol FROM passage WHERE number = ?", (number,)).fetchone()
        return str(row[0]) if row else ""

    def passage(self, number: int) -> Passage:
        """A passage."""
        row = self._base.execute("SELECT body FROM passage WHERE number = ?", (number,)).fetchone()
        return Passage.model_validate_json(row[0] if row else "")
