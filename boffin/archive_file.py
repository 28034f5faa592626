"""A bundle's archive as a zstd stream: a file, or `-` for standard input and output. Knows nothing about what is in it.

zstd is the standard library's from Python 3.14 on, and before that the same code from the package backports.zstd.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from bundle.atomic import atomic_bytes
from bundle.errors import BundleError, SettingsError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SUFFIX = ".tar.zst"
PIPE = "-"
_MAGIC = b"\x28\xb5\x2f\xfd"
_WRITTEN: dict[int, int] = {zstd.CompressionParameter.compression_level: 3, zstd.CompressionParameter.checksum_flag: 1}
_READ: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 23}
"""Frames that want more than 8 MiB of memory are refused; ours want 2."""


def is_archive(path: Path) -> bool:
    """Whether this is a file that begins as zstd does."""
    if not path.is_file():
        return False
    with path.open("rb") as handle:
        return handle.read(len(_MAGIC)) == _MAGIC


def shown(archive: str) -> str:
    """How an archive is called in a message."""
    return "standard input" if archive == PIPE else archive


@contextmanager
def reading(archive: str) -> Iterator[BinaryIO]:
    """Open an archive for reading what is compressed in it.

    Raises:
        BundleError: there is none, it is cut short, or no zstd; also while it is read.
        SettingsError: it is to come from a terminal.
    """
    if archive == PIPE and sys.stdin.isatty():
        raise SettingsError("an archive is to come from standard input, and that is a terminal; pipe one in")
    if archive != PIPE and (not Path(archive).exists() or Path(archive).is_dir()):
        raise BundleError(f"{archive}: no such archive; check its name")
    try:
        with _source(archive) as handle, zstd.ZstdFile(handle, "r", options=_READ) as stream:
            yield cast(BinaryIO, stream)
    except EOFError:
        raise BundleError(f"{shown(archive)}: cut short; copy it anew") from None
    except zstd.ZstdError as error:
        raise BundleError(f"{shown(archive)}: damaged, or not zstd ({error}); copy it anew") from None


def _source(archive: str) -> BinaryIO:
    return sys.stdin.buffer if archive == PIPE else Path(archive).open("rb")


@contextmanager
def writing(archive: str) -> Iterator[BinaryIO]:
    """Open an archive for writing; a file takes its name only when the block ends without an exception.

    Raises:
        SettingsError: it is to go to a terminal, or there is no such folder.
    """
    if archive == PIPE:
        if sys.stdout.isatty():
            raise SettingsError("the archive is to go to standard output, and that is a terminal; name a file")
        with zstd.ZstdFile(sys.stdout.buffer, "w", options=_WRITTEN) as stream:
            yield cast(BinaryIO, stream)
        sys.stdout.buffer.flush()
        return
    path = Path(archive)
    if not path.absolute().parent.is_dir():
        raise SettingsError(f"{path.absolute().parent}: no such folder; make it, or name another file")
    with atomic_bytes(path) as handle, zstd.ZstdFile(handle, "w", options=_WRITTEN) as stream:
        yield cast(BinaryIO, stream)
