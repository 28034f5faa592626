"""What every way to a documentation's pages has in common: a page, what is no page, and the bounds.

Folders, archives and sites each give an inventory and pages; nothing here knows how, nor what is on a page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Protocol

from curation.collectors.inventory import Inventory
from curation.entries import Dropped

MAX_PAGE = 10 * 1024 * 1024
"""Bytes beyond which a page is left out."""
MAX_PAGES = 50_000
"""Pages beyond which a source is cut."""
_NO_PAGE = re.compile(
    r"(?:.*/)?(?:(?:_modules|_sources|_static|_downloads|_images)/.*"
    r"|(?:genindex(?:-[^/]*)?|py-modindex|modindex|search|opensearch|404)(?:\.html|/|/index\.html)?)"
)


@dataclass(frozen=True)
class Page:
    """An HTML page."""

    path: str
    """Its path relative to the inventory, with `/`, e.g. `library/bisect.html`."""
    url: str
    """Where a person can read it: its address, or its path."""
    html: bytes


class Pages(Protocol):
    """The pages of a documentation."""

    def inventory(self) -> Inventory | None:
        """Its inventory; None where it has none.

        Raises:
            SourceError: the documentation can't be read.
        """

    def pages(self) -> Iterator[Page | Dropped]:
        """Yield its pages one by one, and what was left out.

        Raises:
            SourceError: the documentation can't be read.
        """


def is_wanted(path: str, include: Sequence[str]) -> bool:
    """Whether a path is that of a page with documentation, and one of the patterns fits it (any, without patterns)."""
    if _NO_PAGE.fullmatch(path) or not path.endswith((".html", ".htm", "/")):
        return False
    return not include or any(fnmatchcase(path, pattern) for pattern in include)


def is_unsafe(path: str) -> bool:
    """Whether a path, with `/`, leads out of the folder that it is relative to, or may on some system."""
    return (
        path.startswith("/")
        or ".." in path.split("/")
        or any(character in path for character in "\\\0\n\r")
        or re.match(r"[A-Za-z]:", path) is not None
    )


def too_large(where: str, size: int | None = None) -> Dropped:
    """The page at `where` is larger than the bound; `size` in bytes where it is known."""
    found = f"{size:,} bytes" if size is not None else "more"
    return Dropped(code="too-large", detail=f"{found}; a page may have {MAX_PAGE:,}", where=where)


def too_many(where: str) -> Dropped:
    """The source at `where` has more pages than the bound."""
    return Dropped(code="too-many-pages", detail=f"only the first {MAX_PAGES:,} pages were read", where=where)
