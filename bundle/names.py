"""File names out of a manifest: refused where they lead out of the bundle, or where two would be one file.

Knows nothing about what the files hold.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from bundle.errors import BundleError

_LONGEST = 255
"""Bytes of a part of a path that file systems take."""
_RESERVED = frozenset('\\:*?"<>|')
"""What a name can't hold on some file system."""


def check_names(names: Iterable[str], taken: Iterable[str], where: object) -> None:
    """Check the names of a bundle's files, relative and with `/` between their parts.

    Args:
        names: the names, each once.
        taken: names that none of them may have.
        where: how the manifest is called in an error.

    Raises:
        BundleError: a name leads elsewhere, is hidden, can't be shown, or falls together with another.
    """
    files: dict[str, str] = {_alike(name): name for name in taken}
    folders: dict[str, str] = {}
    for name in names:
        parts = name.split("/")
        if name.startswith("/") or ".." in parts or not all(parts):
            raise BundleError(f"{where}: names a file outside the bundle ({name[:80]!r}); do not use this bundle")
        if not all(_is_safe(part) for part in parts):
            raise BundleError(f"{where}: has an unsafe file name ({name[:80]!r}); do not use this bundle")
        above = [_alike("/".join(parts[:end])) for end in range(1, len(parts))]
        other = files.get(_alike(name)) or folders.get(_alike(name)) or next(filter(None, map(files.get, above)), None)
        if other:
            raise BundleError(f"{where}: names {other!r} and {name!r}, which can't both be; do not use this bundle")
        files[_alike(name)] = name
        folders |= dict.fromkeys(above, name)


def _is_safe(part: str) -> bool:
    shown = all(letter.isprintable() and letter not in _RESERVED for letter in part)
    return shown and len(part.encode()) <= _LONGEST and not (part[0] in ". " or part[-1] in ". ")


def _alike(name: str) -> str:
    """Equal for names that are one file on a file system that ignores case or composes characters."""
    return unicodedata.normalize("NFC", name).casefold()
