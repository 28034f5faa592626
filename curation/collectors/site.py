"""The pages of a documentation on a site: those that its objects.inv lists, as far as robots.txt allows.

Asks politely, and asks for nothing that is on the disk and hasn't changed. Knows nothing about what is on a page.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import monotonic
from urllib.parse import urljoin, urlsplit, urlunsplit
from urllib.robotparser import RobotFileParser

from bundle.errors import SourceError
from curation.collectors.inventory import NAME, Inventory, InventoryError, read_inventory
from curation.collectors.pages import MAX_PAGE, MAX_PAGES, Page, is_wanted, too_many
from curation.collectors.web import AGENT, Answer, Web, WebError
from curation.collectors.web_cache import WebCache
from curation.entries import Dropped

MAX_SECONDS = 6 * 3600.0
"""Time that one run may take for a site."""
_MAX_INVENTORY = 32 * 1024**2
_MAX_ROBOTS = 512 * 1024
_FAULTS = 5
"""Failures of the host one after another at which a run ends."""


class SitePages:
    """A site that Sphinx built."""

    def __init__(self, address: str, web: Web, cache: Path, include: Sequence[str] = ()) -> None:
        """Set up.

        Args:
            address: the address of its start page, or of the folder above it.
            web: the client.
            cache: a folder for what it answers; it may be shared with other sites.
            include: patterns of the paths that are read.
        """
        self._base = _base(address)
        self._web = web
        self._include = include
        self._cache = WebCache(cache / hashlib.sha256(self._base.encode()).hexdigest()[:16])
        self._inventory: Inventory | None = None
        self._robots = RobotFileParser()

    def inventory(self) -> Inventory | None:
        """The site's inventory; where it is found, there the site begins."""
        self._read_robots()
        url = urljoin(self._base, NAME)
        if not self._robots.can_fetch(AGENT, url):
            raise SourceError(f"{url}: robots.txt doesn't allow to read it; ask whose it is, or take another source")
        try:
            answer = self._get(url, _MAX_INVENTORY)
            self._inventory = read_inventory(io.BytesIO(answer.body or b""))
        except WebError as error:
            raise SourceError(f"{url}: {error}; set `path` to the start page of a site that Sphinx built") from None
        except InventoryError as error:
            raise SourceError(f"{url}: {error}; set `path` to the start page of a site that Sphinx built") from None
        self._base = answer.url.partition("?")[0].removesuffix(NAME)
        return self._inventory

    def pages(self) -> Iterator[Page | Dropped]:
        """Yield the pages in the inventory's order."""
        inventory = self._inventory or self.inventory()
        end = monotonic() + MAX_SECONDS
        faults = 0
        wanted = [path for path in inventory.pages if is_wanted(path, self._include)] if inventory else []
        for path in wanted[:MAX_PAGES]:
            url = urljoin(self._base, path)
            if not url.startswith(self._base):
                yield Dropped(code="unsafe-path", detail="it leads out of the site", where=path)
                continue
            if not self._robots.can_fetch(AGENT, url):
                yield Dropped(code="forbidden-by-robots", detail="robots.txt doesn't allow to read it", where=url)
                continue
            if monotonic() > end:
                raise SourceError(
                    f"{self._base}: not read within {MAX_SECONDS / 3600:.0f} hours; run it again to go on"
                )
            try:
                answer = self._get(url, MAX_PAGE)
                faults = 0
                yield Page(path, answer.url, answer.body or b"")
            except WebError as error:
                faults = faults + 1 if error.host_fault else 0
                if faults == _FAULTS:
                    raise SourceError(f"{url}: {error}; run it again later, it goes on where it ended") from None
                yield Dropped(code=error.code, detail=str(error), where=url)
        if len(wanted) > MAX_PAGES:
            yield too_many(self._base)
        self._cache.end()

    def _get(self, url: str, limit: int) -> Answer:
        """A document, from the disk where it is there and hasn't changed."""
        kept = self._cache.load(url)
        if kept is None:
            answer = self._web.get(url, limit)
        elif kept.this_run:
            return kept.answer
        else:
            answer = self._web.get(url, limit, kept.answer.etag, kept.answer.modified)
            if answer.body is None:
                answer = kept.answer
        self._cache.save(url, answer)
        return answer

    def _read_robots(self) -> None:
        """Read robots.txt as RFC 9309 has it: none allows all; where it can't be had, nothing may be read."""
        url = urljoin(self._base, "/robots.txt")
        try:
            text = (self._get(url, _MAX_ROBOTS).body or b"").decode("utf-8", "replace")
        except WebError as error:
            if error.host_fault or error.code == "redirected-away":
                raise SourceError(f"{url}: {error}; run it again when the site answers") from None
            text = ""
        self._robots.parse(text.splitlines())
        delay = self._robots.crawl_delay(AGENT)
        if delay is not None:
            self._web.slow_down(float(delay))


def _base(address: str) -> str:
    """The address of the folder of a start page, with a slash at its end."""
    parts = urlsplit(address)
    folder, _, last = parts.path.rpartition("/")
    path = folder if last.endswith((".html", ".htm", ".inv")) else parts.path
    return urlunsplit((parts.scheme, parts.netloc, path.rstrip("/") + "/", "", ""))
