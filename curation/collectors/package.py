"""Installed packages: what introspection found, as entries. Knows nothing about how it was found."""

from __future__ import annotations

from collections.abc import Iterator

from curation.docstring import parse_docstring
from curation.entries import ApiEntry, Origin, Snippet
from curation.libraries import Library
from curation.settings import PackageSource
from symbols.introspect import STDLIB
from symbols.introspect import Entry as Documented


class PackageCollector:
    """Reads installed packages."""

    def __init__(self, source: PackageSource, library: Library) -> None:
        """`library` has been looked at already."""
        self._source = source
        self._library = library

    @property
    def name(self) -> str:
        """The packages' names."""
        return ", ".join(self._source.packages)

    def collect(self) -> Iterator[ApiEntry]:
        """Yield an entry for every public object that has a docstring."""
        whole = set(self._source.packages) >= set(self._library.packages)
        for one in self._library.documented():
            if one.docstring and (whole or self._has(one)):
                yield self._entry(one)

    def _has(self, one: Documented) -> bool:
        if one.package == STDLIB:
            return STDLIB in self._source.packages
        return any(one.module == name or one.module.startswith(f"{name}.") for name in self._source.packages)

    def _entry(self, one: Documented) -> ApiEntry:
        origin = Origin(
            source=self._source.kind,
            package=one.package,
            version=one.version,
            licence=self._source.licence or one.licence,
        )
        return ApiEntry(
            origin=origin,
            documented=one,
            doc=parse_docstring(one.docstring),
            snippets=(Snippet(source=one.docstring, form="session"),) if ">>>" in one.docstring else (),
            deprecated=one.deprecated,
        )
