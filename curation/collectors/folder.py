"""The pages of a documentation in a folder. Follows no link out of it. Knows nothing about what is on a page."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from bundle.errors import SourceError
from curation.collectors.inventory import NAME, Inventory, InventoryError, read_inventory
from curation.collectors.pages import MAX_PAGE, MAX_PAGES, Page, is_wanted, too_large, too_many
from curation.entries import Dropped

_DEPTH = 3
"""Levels below the folder at which the inventory is looked for."""


class FolderPages:
    """A folder that Sphinx built, or one that has it at most three levels below."""

    def __init__(self, folder: Path, include: Sequence[str] = ()) -> None:
        """Args: the folder, and patterns of the paths that are read."""
        self._root = _root(folder)
        self._include = include

    def inventory(self) -> Inventory | None:
        """The folder's inventory."""
        path = self._root / NAME
        if not path.is_file():
            return None
        try:
            with path.open("rb") as handle:
                return read_inventory(handle)
        except (InventoryError, OSError) as error:
            raise SourceError(f"{path}: {error}; build the documentation anew, or delete this file") from None

    def pages(self) -> Iterator[Page | Dropped]:
        """Yield the folder's pages, sorted by path."""
        inside = self._root.resolve()
        count = 0
        for path in self._files():
            where = path.relative_to(self._root).as_posix()
            if not is_wanted(where, self._include):
                continue
            count += 1
            if count > MAX_PAGES:
                yield too_many(str(self._root))
                return
            try:
                if not path.resolve().is_relative_to(inside):
                    yield Dropped(code="unsafe-path", detail="a link out of the folder", where=where)
                elif not path.is_file():
                    yield Dropped(code="broken-page", detail="not a file", where=where)
                elif (size := path.stat().st_size) > MAX_PAGE:
                    yield too_large(where, size)
                else:
                    with path.open("rb") as handle:
                        yield Page(where, where, handle.read(MAX_PAGE))
            except (OSError, RuntimeError) as error:  # pathlib raises RuntimeError for a loop of links
                yield Dropped(code="broken-page", detail=str(error), where=where)

    def _files(self) -> Iterator[Path]:
        for folder, folders, files in os.walk(self._root):
            folders.sort()
            for name in sorted(files):
                yield Path(folder, name)


def _root(folder: Path) -> Path:
    """The folder with the inventory that is the least deep; the folder itself where there is none."""
    level = [folder]
    for _ in range(_DEPTH + 1):
        for one in level:
            if (one / NAME).is_file():
                return one
        level = sorted(sub for one in level for sub in _folders(one))[:1000]
    return folder


def _folders(folder: Path) -> list[Path]:
    try:
        return [one for one in folder.iterdir() if one.is_dir() and not one.is_symlink()]
    except OSError:
        return []
