"""Atomic writes: a reader sees the old file or folder, or the new one, never a part of either.

A file is written under a temporary name, synced and renamed. A folder is written beside its final place and
published by renaming a symbolic link onto it: readers that resolved the link before keep the old folder, whole.
Knows nothing about what is written.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

BUILDS = ".builds"
"""Folder beside a published link that holds the published folders and the unfinished ones."""


def sync_folder(folder: Path) -> None:
    """Flush a folder's own entries (new names, renames) to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def atomic_open(path: Path) -> Iterator[TextIO]:
    """Open a UTF-8 text file for writing; it takes `path`'s place when the block ends without an exception."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    with atomic_open(path) as handle:
        handle.write(text)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically: sorted keys, two spaces, so that equal values are equal bytes."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


@contextmanager
def published_folder(link: Path) -> Iterator[Path]:
    """Yield an empty folder to write into; when the block ends without an exception, `link` points at it.

    Left-overs of runs that were killed are removed first; the folder that `link` pointed at stays until the next
    publication, so that whoever reads it can finish. Callers hold the workspace's lock.

    Raises:
        FileExistsError: `link` is a real file or folder, which is never replaced.
    """
    if link.exists() and not link.is_symlink():
        raise FileExistsError(f"{link} is not a link made by this program")
    builds = link.parent / BUILDS
    builds.mkdir(parents=True, exist_ok=True)
    _remove_others(link, "")
    final = builds / f"{link.name}-{uuid.uuid4().hex[:12]}"
    partial = final.with_name(final.name + ".partial")
    partial.mkdir()
    try:
        yield partial
        for file in partial.rglob("*"):
            if file.is_file() and not file.is_symlink():
                with file.open("rb") as handle:
                    os.fsync(handle.fileno())
        partial.rename(final)
        _point(link, final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def adopt_folder(folder: Path, link: Path) -> None:
    """Publish as `link` a folder that was published elsewhere on the same file system; it moves over, whole.

    `folder` is what that other link, of the same name, points at. A call that was killed can be repeated: a folder that
    has moved already is only linked. Callers hold the workspace's lock.
    """
    final = link.parent / BUILDS / folder.name
    if not final.exists():
        final.parent.mkdir(parents=True, exist_ok=True)
        _remove_others(link, final.name)
        folder.rename(final)
        sync_folder(final.parent)
    if not (link.is_symlink() and link.resolve() == final.resolve()):
        _point(link, final)


def _remove_others(link: Path, kept: str) -> None:
    """Remove the builds of a link that it doesn't point at, but for the one that is called `kept`."""
    current = link.resolve().name if link.is_symlink() else ""
    for old in (link.parent / BUILDS).glob(f"{link.name}-{'[0-9a-f]' * 12}*"):
        if old.name not in (current, kept):
            shutil.rmtree(old)


def _point(link: Path, final: Path) -> None:
    """Move `link` onto a folder."""
    new_link = link.with_name(f".{link.name}.{uuid.uuid4().hex[:8]}.link")
    new_link.symlink_to(final.relative_to(link.parent), target_is_directory=True)
    new_link.replace(link)
    sync_folder(link.parent)
