"""Collectors: each reads one source and yields its raw entries. Knows nothing about records.

A collector streams; what it learned about which symbols exist is in `table` when it has ended.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Protocol

from bundle.errors import SourceError
from curation.entries import Entry
from curation.settings import PackageSource
from symbols.introspect import IntrospectionError, walk_packages
from symbols.table import SymbolTable


class Collector(Protocol):
    """Reads one source."""

    @property
    def name(self) -> str:
        """What it reads, for progress and messages."""

    @property
    def table(self) -> SymbolTable | None:
        """What exists in what was read, after `collect` has ended; None where the source can't tell."""

    def collect(self) -> Iterator[Entry]:
        """Yield the source's entries.

        Raises:
            SourceError: the source can't be read, or has nothing in it.
        """


class PackageCollector:
    """Reads installed packages by run-time introspection."""

    def __init__(self, source: PackageSource) -> None:
        """`source.python` is taken as it is: the caller makes it absolute."""
        self._source = source
        self.table: SymbolTable | None = None
        self.notes: list[str] = []
        """What was left out, in words."""

    @property
    def name(self) -> str:
        """The packages' names."""
        return ", ".join(self._source.packages)

    def collect(self) -> Iterator[Entry]:
        """Yield an entry for every public object, with a docstring or without.

        Raises:
            SourceError: a package can't be imported, has nothing in it, or the interpreter can't be run.
        """
        walk = walk_packages(self._source.packages, self._source.python)
        documented: set[str] = set()
        try:
            for entry in walk:
                if entry.docstring:
                    documented |= {entry.package, entry.module.partition(".")[0]}
                yield Entry(documented=entry)
        except IntrospectionError as error:
            raise SourceError(f"curation.sources: {error}") from None
        for package in self._source.packages:
            self._check(package, walk.missing.get(package, ""), package.partition(".")[0] in documented)
        self.table = walk.table
        if walk.skipped:
            self.notes.append(f"{walk.skipped} modules could not be imported and were skipped")

    def _check(self, package: str, reason: str, documented: bool) -> None:
        python = self._source.python or sys.executable
        if reason:
            remedy = f"run `{python} -m pip install {package.partition('.')[0]}`, or take it out of `packages`"
            raise SourceError(f"curation.sources: {package} can't be imported ({reason}); {remedy}")
        if not documented:
            raise SourceError(
                f"curation.sources: {package} has no documented public objects; take it out of `packages`, "
                "or name the package that has them"
            )
