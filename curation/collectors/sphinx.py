"""The collector of documentation that Sphinx built: a folder, an archive or a site, by whatever way it is reached.

Knows nothing about HTML, archives and HTTP themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from bundle.errors import SourceError
from curation.collectors.archive import SUFFIXES, ArchivePages
from curation.collectors.download import download
from curation.collectors.folder import FolderPages
from curation.collectors.page_process import PageProcess
from curation.collectors.pages import Pages
from curation.collectors.site import SitePages
from curation.collectors.web import Web
from curation.entries import Dropped, Entry, Origin
from curation.settings import LibrarySource, SphinxSource
from symbols.worker.documented import distribution_of


class SphinxCollector:
    """Reads documentation that Sphinx built."""

    def __init__(self, source: SphinxSource, folder: Path, cache: Path, http: httpx.Client | None = None) -> None:
        """Set up.

        Args:
            source: the source's settings.
            folder: the project's folder, to which a relative path belongs.
            cache: a folder for downloads; it may be shared.
            http: the client for a site; its own by default.
        """
        self._source = source
        self._folder = folder
        self._cache = cache
        self._http = http

    @property
    def name(self) -> str:
        """The path or the address."""
        return self._source.path

    def collect(self) -> Iterator[Entry | Dropped]:
        """Yield the entries page by page.

        Raises:
            SourceError: the source can't be read, or has nothing in it.
        """
        path = self._source.path
        if not path.startswith(("http://", "https://")):
            yield from read_pages(self._local(), self._source, "sphinx", path, self._source.version)
            return
        with Web(self._source.requests_per_second, self._http) as web:
            pages: Pages
            if urlsplit(path).path.endswith(SUFFIXES):
                pages = ArchivePages(download(path, web, self._cache), self._source.include)
            else:
                pages = SitePages(path, web, self._cache, self._source.include)
            yield from read_pages(pages, self._source, "sphinx", path, self._source.version)

    def _local(self) -> Pages:
        path = self._folder / Path(self._source.path).expanduser()
        if path.is_dir():
            return FolderPages(path, self._source.include)
        if path.is_file() and path.name.endswith(SUFFIXES):
            return ArchivePages(path, self._source.include)
        found = "not a folder or an archive" if path.exists() else "no such folder or archive"
        raise SourceError(f"curation.sources: {path}: {found}; set `path` to the HTML that Sphinx built")


def read_pages(
    pages: Pages, source: LibrarySource, kind: str, where: str, version: str = ""
) -> Iterator[Entry | Dropped]:
    """Yield the entries of a documentation's pages.

    Args:
        pages: the documentation.
        source: the source's settings.
        kind: the kind of source.
        where: what is read, for messages.
        version: the version that is documented; empty takes what the inventory says.

    Raises:
        SourceError: the documentation can't be read, or has nothing in it.
    """
    inventory = pages.inventory()
    package, installed, licence = distribution_of(source.packages[0])
    origin = Origin(
        source=kind,
        package=package,
        version=version or (inventory.version if inventory else "") or installed,
        licence=source.licence or licence,
    )
    found = 0
    with PageProcess("html", origin, inventory) as process:
        for page in pages.pages():
            for entry in [page] if isinstance(page, Dropped) else process.read(page):
                found += not isinstance(entry, Dropped)
                yield entry
    if not found:
        raise SourceError(
            f"curation.sources: {where} has no documentation that Sphinx built; look at `path` and `include`"
        )
