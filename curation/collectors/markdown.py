"""The collector of Markdown files: a MkDocs tree, READMEs, guides. Follows no link out of the folder.

Knows nothing about Markdown itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bundle.errors import SourceError
from curation.collectors.page_process import PageProcess
from curation.collectors.pages import MAX_PAGES, Page, too_many
from curation.entries import Dropped, Entry, Origin
from curation.settings import MarkdownSource
from symbols.worker.documented import distribution_of

MAX_FILE = 2 * 1024 * 1024
"""Bytes beyond which a file is left out."""


class MarkdownCollector:
    """Reads Markdown files."""

    def __init__(self, source: MarkdownSource, folder: Path) -> None:
        """Args: the source's settings, and the project's folder, to which a relative path belongs."""
        self._source = source
        self._path = folder / Path(source.path).expanduser()

    @property
    def name(self) -> str:
        """The path."""
        return self._source.path

    def collect(self) -> Iterator[Entry | Dropped]:
        """Yield the entries file by file, sorted by path.

        Raises:
            SourceError: there is no such file or folder, or nothing in it.
        """
        if not self._path.exists():
            raise SourceError(f"curation.sources: {self._path}: no such file or folder; set `path` to one")
        package, version, licence = distribution_of(self._source.packages[0])
        origin = Origin(
            source="markdown",
            package=package,
            version=version,
            licence=self._source.licence or licence,
            written=self._source.written,
        )
        found = 0
        with PageProcess("markdown", origin) as process:
            for page in self._pages():
                for entry in [page] if isinstance(page, Dropped) else process.read(page):
                    found += not isinstance(entry, Dropped)
                    yield entry
        if not found:
            raise SourceError(f"curation.sources: {self._path} has no Markdown with text; look at `path` and `include`")

    def _pages(self) -> Iterator[Page | Dropped]:
        root = self._path.parent if self._path.is_file() else self._path
        inside = root.resolve()
        for number, path in enumerate(self._files()):
            where = path.relative_to(root).as_posix()
            if number == MAX_PAGES:
                yield too_many(str(self._path))
                return
            try:
                if not path.resolve().is_relative_to(inside):
                    yield Dropped(code="unsafe-path", detail="a link out of the folder", where=where)
                elif not path.is_file():
                    yield Dropped(code="broken-page", detail="not a file", where=where)
                elif (size := path.stat().st_size) > MAX_FILE:
                    detail = f"{size:,} bytes; a file may have {MAX_FILE:,}"
                    yield Dropped(code="too-large", detail=detail, where=where)
                else:
                    with path.open("rb") as handle:
                        yield Page(where, where, handle.read(MAX_FILE))
            except (OSError, RuntimeError) as error:
                yield Dropped(code="broken-page", detail=str(error), where=where)

    def _files(self) -> list[Path]:
        if self._path.is_file():
            return [self._path]
        found: set[Path] = set()
        for pattern in self._source.include:
            try:
                found.update(path for path in self._path.glob(pattern) if not path.is_dir())
            except (ValueError, NotImplementedError) as error:
                raise SourceError(
                    f"curation.sources: `include` {pattern!r} is no pattern below a folder ({error})"
                ) from None
        return sorted(found)
