"""Atomic writes: a reader sees the old file or folder, or the new one, never a part of either.

A file is written under a temporary name, synced and renamed. A folder is written beside its final place and
published by renaming a symbolic link onto it: readers that resolved the link before keep the old folder, whole; or,
where there was none, it appears under its name at once.
Knows nothing about what is written.
"""

from __future__ import annotations

import fcntl
import glob
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO

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
    with _replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as handle:
        yield handle
        handle.flush()
        os.fsync(handle.fileno())


@contextmanager
def atomic_bytes(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing; it takes `path`'s place when the block ends without an exception."""
    with _replacing(path) as temporary, temporary.open("wb") as handle:
        yield handle
        handle.flush()
        os.fsync(handle.fileno())


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        yield temporary
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
        _sync_files(partial)
        partial.rename(final)
        _point(link, final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def is_free(path: Path) -> bool:
    """Whether a folder may be put here: there is nothing, or an empty folder."""
    return not path.is_symlink() and (not path.exists() or (path.is_dir() and not any(path.iterdir())))


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder to write into; when the block ends without an exception, it is called `path`.

    Until then it has a hidden name beside it. Left-overs of runs that were killed are removed first.

    Raises:
        FileExistsError: there is something at `path` that is not an empty folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for old in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        _remove_unused(old)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    partial.mkdir()
    held = os.open(partial, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield partial
        _sync_files(partial)
        if not is_free(path):
            raise FileExistsError(f"{path} is there already")
        partial.rename(path)
        sync_folder(path.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        os.close(held)


def _remove_unused(folder: Path) -> None:
    """Remove a folder unless a living process holds it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
    except BlockingIOError:
        pass
    finally:
        os.close(descriptor)


def _sync_files(folder: Path) -> None:
    """Flush the files below a folder, and the folders' own entries, to the disk."""
    for file in folder.rglob("*"):
        if file.is_file() and not file.is_symlink():
            with file.open("rb") as handle:
                os.fsync(handle.fileno())
        elif file.is_dir():
            sync_folder(file)
    sync_folder(folder)


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
