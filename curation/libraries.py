"""The installed libraries that a dataset is about: what exists in them, as introspection finds it, kept on disk.

A library is looked at once for all sources, and again only when its version changes. Knows nothing about records.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from bundle.atomic import atomic_open, write_text
from bundle.digests import digest_value
from bundle.errors import SourceError
from bundle.stage import Progress
from curation.fingerprint import versions
from curation.settings import AnySource
from symbols.introspect import Entry as Documented
from symbols.introspect import IntrospectionError, walk_packages
from symbols.table import FORMAT as TABLE_FORMAT
from symbols.table import SymbolTable, SymbolTableError

FORMAT = 2
"""Raised when introspection would find something else in the same library."""
_DOCUMENTED: TypeAdapter[Documented] = TypeAdapter(Documented)


class Library:
    """The packages of one source in one interpreter."""

    def __init__(self, packages: Sequence[str], python: str, folder: Path) -> None:
        """`folder` keeps what is found."""
        self.packages = tuple(packages)
        self.python = python
        self.versions = versions(packages, python)
        """Import name → versions of its distributions; and the interpreter's own, under `python`."""
        self.digest = digest_value([FORMAT, TABLE_FORMAT, sorted(packages), self.versions])
        """Digest of the interpreter's and the packages' versions."""
        self._entries = folder / f"{self.digest[:16]}.jsonl"
        self._about = folder / f"{self.digest[:16]}.json"

    def look(self, progress: Progress) -> None:
        """Introspect the packages, unless that was done.

        Raises:
            SourceError: a package can't be imported or has nothing in it, or the interpreter can't be run.
        """
        if self._about.is_file() and self._entries.is_file():
            return
        self._entries.parent.mkdir(parents=True, exist_ok=True)
        walk = walk_packages(self.packages, self.python)
        documented: set[str] = set()
        try:
            with atomic_open(self._entries) as handle:
                for number, entry in enumerate(walk, start=1):
                    if entry.docstring:
                        documented |= {entry.package, entry.module.partition(".")[0]}
                    handle.write(_DOCUMENTED.dump_json(entry).decode() + "\n")
                    progress(f"looking at {', '.join(self.packages)}", number, 0, "objects")
        except IntrospectionError as error:
            raise SourceError(f"curation.sources: {error}") from None
        for package in self.packages:
            self._check(package, walk.missing.get(package, ""), package.partition(".")[0] in documented)
        value = {"table": walk.table.to_json(), "skipped": walk.skipped}
        write_text(self._about, json.dumps(value, sort_keys=True, separators=(",", ":")))

    def documented(self) -> Iterator[Documented]:
        """All public objects, with a docstring or without, sorted within a package."""
        with self._entries.open(encoding="utf-8") as handle:
            for line in handle:
                yield _DOCUMENTED.validate_json(line)

    def table(self) -> SymbolTable:
        """What exists in the packages."""
        try:
            return SymbolTable.from_json(self._read()["table"])
        except (SymbolTableError, KeyError, ValueError) as error:
            raise SourceError(f"{self._about}: damaged ({error}); delete it and run `boffin curate` again") from None

    @property
    def skipped(self) -> int:
        """Modules that could not be imported."""
        return int(self._read()["skipped"])

    def _read(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self._about.read_bytes())
        return value

    def _check(self, package: str, reason: str, documented: bool) -> None:
        python = self.python or sys.executable
        if reason:
            remedy = f"run `{python} -m pip install {package.partition('.')[0]}`, or take it out of `packages`"
            raise SourceError(f"curation.sources: {package} can't be imported ({reason}); {remedy}")
        if not documented:
            raise SourceError(
                f"curation.sources: {package} has no documented public objects; take it out of `packages`, "
                "or name the package that has them"
            )


class Libraries:
    """The libraries of all sources; those of the same interpreter are looked at together."""

    def __init__(self, sources: Sequence[AnySource], folder: Path) -> None:
        """Find out their versions.

        Raises:
            SourceError: an interpreter can't be run, or a library is there in two versions.
        """
        wanted: dict[str, dict[str, None]] = {}
        for source in sources:
            wanted.setdefault(source.python, {}).update(dict.fromkeys(source.packages))
        self._by_python = {python: Library(tuple(names), python, folder) for python, names in wanted.items()}
        self._check_versions()

    def of(self, source: AnySource) -> Library:
        """The library that has a source's packages; it may have others too."""
        return self._by_python[source.python]

    def all(self) -> list[Library]:
        """One library an interpreter."""
        return list(self._by_python.values())

    def table(self) -> SymbolTable:
        """What exists in all of them."""
        first, *others = [library.table() for library in self.all()]
        for other in others:
            first = first.merged(other)
        return first

    def _check_versions(self) -> None:
        seen: dict[str, tuple[object, str]] = {}
        for library in self.all():
            python = library.python or sys.executable
            for name, version in library.versions.items():
                if name == "python" and "stdlib" not in library.packages:
                    continue
                if name in seen and seen[name][0] != version:
                    raise SourceError(
                        f"curation.sources: {name} has one version in {seen[name][1]} and another in {python}; "
                        "a dataset has one version of a library, so name the same interpreter for both sources"
                    )
                seen[name] = (version, python)
