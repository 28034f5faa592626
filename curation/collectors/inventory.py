"""objects.inv: which project and version Sphinx documented, its pages, and where each Python object stands.

Only version 2 of the format, as Sphinx has written it since 2010. The file is as hostile as any other: what it inflates
to, its lines and their number are bounded. Knows nothing about pages' content.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

NAME = "objects.inv"
MAX_BYTES = 64 * 1024 * 1024
"""Bytes that it may inflate to."""
_MAX_LINE = 4096
_MAX_OBJECTS = 1_000_000
_OBJECT = re.compile(r"(.+?) (\S+):(\S+) -?\d+ (\S*) (?:.*)")


class InventoryError(Exception):
    """An inventory that can't be read; the text is one line."""


@dataclass(frozen=True)
class Inventory:
    """What an objects.inv says."""

    project: str
    version: str
    pages: tuple[str, ...]
    """Paths of the pages in it, relative to the inventory, in the order in which they come."""
    symbols: dict[str, str]
    """Full names of Python objects, and the paths of the pages that they stand on."""
    modules: frozenset[str]
    """Full names of Python modules."""


def read_inventory(handle: IO[bytes]) -> Inventory:
    """Read an inventory.

    Raises:
        InventoryError: it isn't one, or is larger than the bounds.
    """
    head = [handle.readline(_MAX_LINE).decode("utf-8", "replace").rstrip() for _ in range(4)]
    if head[0] != "# Sphinx inventory version 2" or "zlib" not in head[3]:
        raise InventoryError(f"not a Sphinx inventory of version 2, it begins with {head[0][:60]!r}")
    pages: dict[str, None] = {}
    symbols: dict[str, str] = {}
    modules: set[str] = set()
    for number, line in enumerate(_lines(handle)):
        if number == _MAX_OBJECTS:
            raise InventoryError(f"more than {_MAX_OBJECTS:,} objects")
        match = _OBJECT.fullmatch(line)
        if match is None:
            continue
        name, domain, role, uri = match.groups()
        page = uri.removesuffix("$").partition("#")[0] if "#" in uri else uri.replace("$", name)
        pages.setdefault(page)
        if domain == "py":
            if role == "module":
                modules.add(name)
            else:
                symbols.setdefault(name, page)
    return Inventory(
        head[1].removeprefix("# Project:").strip(),
        head[2].removeprefix("# Version:").strip(),
        tuple(pages),
        symbols,
        frozenset(modules),
    )


def _lines(handle: IO[bytes]) -> Iterator[str]:
    """The lines of the compressed part; those that are too long are left out."""
    inflater = zlib.decompressobj()
    total, rest, overlong = 0, b"", False
    while not inflater.eof:
        packed = inflater.unconsumed_tail or handle.read(64 * 1024)
        try:
            piece = inflater.decompress(packed, 256 * 1024)
        except zlib.error as error:
            raise InventoryError(f"damaged ({error})") from None
        if not packed and not piece:
            raise InventoryError("it ends before its end")
        total += len(piece)
        if total > MAX_BYTES:
            raise InventoryError(f"it inflates to more than {MAX_BYTES // 2**20} MB")
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if not overlong and len(line) <= _MAX_LINE:
                yield line.decode("utf-8", "replace")
            overlong = False
        if len(rest) > _MAX_LINE:
            rest, overlong = b"", True
    if rest and not overlong:
        yield rest.decode("utf-8", "replace")
