"""The collector of a project on Read the Docs: its downloadable HTML, by the service's API, read as Sphinx' own.

Version 3 of the API tells a version's downloads under `/api/v3/projects/SLUG/versions/VERSION/`. Knows nothing about
what is in the archive.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx

from bundle.errors import SourceError
from curation.collectors.archive import ArchivePages
from curation.collectors.download import download
from curation.collectors.sphinx import read_pages
from curation.collectors.web import Web, WebError
from curation.entries import Dropped, Entry
from curation.settings import ReadTheDocsSource

_RATE = 2.0
_MAX_ANSWER = 1024 * 1024
_NAME = re.compile(r"[\w.-]{1,100}")


class ReadTheDocsCollector:
    """Reads a version of a project."""

    def __init__(self, source: ReadTheDocsSource, folder: Path, cache: Path, http: httpx.Client | None = None) -> None:
        """Set up.

        Args:
            source: the source's settings.
            folder: the project's folder; nothing in it is read.
            cache: a folder for downloads; it may be shared.
            http: the client; its own by default.
        """
        self._source = source
        self._cache = cache
        self._http = http

    @property
    def name(self) -> str:
        """The project and the version."""
        return f"{self._source.slug} {self._source.version}"

    def collect(self) -> Iterator[Entry | Dropped]:
        """Yield the entries page by page.

        Raises:
            SourceError: there is no such project or version, it offers no HTML, or that has nothing in it.
        """
        with Web(_RATE, self._http) as web:
            archive = download(self._archive(web), web, self._cache, ".zip")
        yield from read_pages(ArchivePages(archive), self._source, "readthedocs", self.name)

    def _archive(self, web: Web) -> str:
        """The address of the version's HTML."""
        source = self._source
        for setting, name in (("slug", source.slug), ("version", source.version)):
            if not _NAME.fullmatch(name):
                raise SourceError(f"curation.sources: `{setting}` {name!r} is no name on Read the Docs")
        url = f"{source.host.rstrip('/')}/api/v3/projects/{source.slug}/versions/{source.version}/"
        try:
            answer = json.loads(web.get(url, _MAX_ANSWER).body or b"")
        except WebError as error:
            raise SourceError(f"{url}: {error}; look at `slug`, `version` and `host`") from None
        except (ValueError, RecursionError):
            raise SourceError(f"{url}: the answer is no JSON; look at `host`") from None
        downloads = answer.get("downloads") if isinstance(answer, dict) else None
        address = downloads.get("htmlzip") if isinstance(downloads, dict) else None
        if not isinstance(address, str) or not address:
            raise SourceError(
                f'{url}: {self.name} offers no HTML to download; take the site itself with `kind = "sphinx"`'
            )
        address = urljoin(url, address)
        if urlsplit(address).scheme not in ("https", urlsplit(url).scheme):
            raise SourceError(f"{url}: it offers its HTML at {address[:200]}, which isn't safe to read")
        return address
