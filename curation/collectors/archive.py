"""The pages of a documentation in a .zip or .tar archive, read where they are: nothing is unpacked to the disk.

Archives may be hostile. Names that lead elsewhere, links and devices are left out; the number of members, their sizes,
the whole size, the ratio of compression and what a reader needs of memory are bounded. Knows nothing about what is on
a page.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, BinaryIO, Protocol

from bundle.errors import SourceError
from curation.collectors.inventory import NAME, Inventory, InventoryError, read_inventory
from curation.collectors.pages import MAX_PAGE, MAX_PAGES, Page, is_unsafe, is_wanted, too_large, too_many
from curation.entries import Dropped

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
"""What the names of archives end with."""
MAX_MEMBERS = 500_000
MAX_TOTAL = 8 * 1024**3
"""Bytes that an archive may unpack to, as far as it is read."""
MAX_RATIO = 200
"""How often the compressed size the unpacked one may be, beyond the first 32 MB."""
_FREE = 32 * 1024**2
_MAX_DIRECTORY = 128 * 1024**2
_MAX_MEMORY = 256 * 1024**2
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError,
            struct.error, NotImplementedError, RuntimeError)  # fmt: skip


class ArchiveBombError(Exception):
    """An archive that unpacks to more than the bounds."""


class ArchivePages:
    """An archive of a folder that Sphinx built, which may be below other folders in it."""

    def __init__(self, path: Path, include: Sequence[str] = ()) -> None:
        """Args: the archive, and patterns of the paths that are read."""
        self._path = path
        self._include = include
        self._prefix = ""

    def inventory(self) -> Inventory | None:
        """The inventory that is the least deep in the archive; its folder is where the pages' paths begin."""
        found: tuple[int, str] | None = None
        inventory: Inventory | None = None
        with self._opened() as members:
            for member in members:
                name = member.name
                if name.rpartition("/")[2] != NAME or is_unsafe(name) or member.fault or member.size > MAX_PAGE:
                    continue
                rank = (name.count("/"), name)
                if found is None or rank < found:
                    found = rank
                    with closing(member.open()) as handle:
                        try:
                            inventory = read_inventory(handle)
                        except InventoryError as error:
                            raise SourceError(f"{self._path}: {name}: {error}; get the archive anew") from None
        self._prefix = found[1].removesuffix(NAME) if found else ""
        return inventory

    def pages(self) -> Iterator[Page | Dropped]:
        """Yield the archive's pages in its order."""
        count = 0
        with self._opened() as members:
            for member in members:
                if is_unsafe(member.name):
                    where = member.name[:200].encode("ascii", "backslashreplace").decode()
                    yield Dropped(code="unsafe-path", detail="the name leads out of the archive", where=where)
                    continue
                where = member.name.removeprefix(self._prefix)
                if not member.name.startswith(self._prefix) or not is_wanted(where, self._include):
                    continue
                if where.endswith("/"):
                    continue
                count += 1
                if count > MAX_PAGES:
                    yield too_many(str(self._path))
                    return
                yield self._page(member, where)

    def _page(self, member: Member, where: str) -> Page | Dropped:
        if member.fault:
            return Dropped(code=member.fault, detail=member.detail, where=where)
        if member.size > MAX_PAGE:
            return too_large(where, member.size)
        try:
            with closing(member.open()) as handle:
                html = handle.read(MAX_PAGE + 1)
        except _DAMAGED as error:
            return Dropped(code="broken-page", detail=str(error) or type(error).__name__, where=where)
        return Page(where, where, html) if len(html) <= MAX_PAGE else too_large(where)

    @contextmanager
    def _opened(self) -> Iterator[Iterator[Member]]:
        """The members of the archive."""
        try:
            with self._path.open("rb") as file:
                reader = _zip_members if self._path.suffix == ".zip" else _tar_members
                yield reader(file, self._path.stat().st_size)
        except ArchiveBombError as error:
            raise SourceError(f"{self._path}: {error}; it looks like an archive that is made to fill memory") from None
        except _DAMAGED as error:
            reason = str(error) or type(error).__name__
            raise SourceError(f"{self._path}: can't be read as an archive ({reason}); get it anew") from None


class Member(Protocol):
    """A file in an archive."""

    name: str
    size: int
    """Bytes, as the archive says."""
    fault: str
    """The reason code for leaving it out; empty where there is none."""
    detail: str

    def open(self) -> IO[bytes]:
        """Its content."""


class _ZipMember:
    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        self._archive, self._info = archive, info
        self.name, self.size = info.filename, info.file_size
        self.fault, self.detail = "", ""
        if stat.S_ISLNK(info.external_attr >> 16):
            self.fault, self.detail = "unsafe-path", "a link"
        elif info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            self.fault, self.detail = "broken-page", "encrypted, or compressed in a way that isn't read"
        elif info.file_size > _FREE // 32 and info.file_size > MAX_RATIO * max(info.compress_size, 1):
            self.fault, self.detail = "archive-bomb", f"{info.compress_size:,} bytes unpack to {info.file_size:,}"

    def open(self) -> IO[bytes]:
        return self._archive.open(self._info)


def _zip_members(file: BinaryIO, size: int) -> Iterator[Member]:
    if _directory_size(file, size) > _MAX_DIRECTORY:
        raise ArchiveBombError("its list of members is too long")
    with zipfile.ZipFile(file) as archive:
        total = 0
        for number, info in enumerate(archive.infolist()):
            total += info.file_size
            if number >= MAX_MEMBERS or total > MAX_TOTAL:
                raise ArchiveBombError(f"more than {MAX_MEMBERS:,} members or {MAX_TOTAL // 2**30} GB")
            yield _ZipMember(archive, info)


def _directory_size(file: BinaryIO, size: int) -> int:
    """Bytes of a zip archive's list of members, which `zipfile` reads at once; 0 where it has no end record."""
    start = max(0, size - 65_557)
    file.seek(start)
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 22:
        return 0
    directory: int = struct.unpack_from("<L", tail, at + 12)[0]
    if at >= 20 and tail.startswith(b"PK\x06\x07", at - 20):
        file.seek(struct.unpack_from("<Q", tail, at - 12)[0])
        record = file.read(56)
        directory = max(directory if directory != 0xFFFFFFFF else 0, struct.unpack_from("<Q", record, 40)[0])
    return directory


class _TarMember:
    def __init__(self, archive: tarfile.TarFile, info: tarfile.TarInfo) -> None:
        self._archive, self._info = archive, info
        self.name, self.size = info.name.removeprefix("./"), info.size
        self.fault, self.detail = ("", "") if info.isreg() and not info.issparse() else ("unsafe-path", "no plain file")

    def open(self) -> IO[bytes]:
        handle = self._archive.extractfile(self._info)
        assert handle is not None  # it is a plain file
        return handle


def _tar_members(file: BinaryIO, size: int) -> Iterator[Member]:
    magic = file.read(6)
    file.seek(0)
    unpacked: _Reads = file
    if magic.startswith(b"\x1f\x8b"):
        unpacked = gzip.GzipFile(fileobj=file)
    elif magic.startswith(b"BZh"):
        unpacked = bz2.BZ2File(file)
    elif magic.startswith(b"\xfd7zXZ"):
        unpacked = _Xz(file)
    bounded = _Bounded(unpacked, min(MAX_TOTAL, _FREE + MAX_RATIO * size))
    with tarfile.TarFile(fileobj=bounded) as archive:  # type: ignore[arg-type]
        number = 0
        while (info := archive.next()) is not None:
            archive.members = []  # type: ignore[attr-defined]  # else every header stays in memory
            number += 1
            if number > MAX_MEMBERS:
                raise ArchiveBombError(f"more than {MAX_MEMBERS:,} members")
            if not info.isdir():
                yield _TarMember(archive, info)


class _Reads(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Xz:
    """An .xz file, with a bound of the memory that its dictionary may take."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._unpacker = lzma.LZMADecompressor(memlimit=_MAX_MEMORY)

    def read(self, size: int, /) -> bytes:
        while not self._unpacker.eof:
            packed = self._file.read(64 * 1024) if self._unpacker.needs_input else b""
            if not packed and self._unpacker.needs_input:
                raise EOFError("it ends before its end")
            if piece := self._unpacker.decompress(packed, size):
                return piece
        return b""


class _Bounded:
    """A stream that is read forwards, as far as a bound; headers that want much memory at once are refused."""

    def __init__(self, stream: _Reads, limit: int) -> None:
        self._stream = stream
        self._limit = limit
        self._position = 0

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> None:
        if position < self._position:
            raise ValueError("the members overlap")
        while self._position < position and self.read(min(position - self._position, 256 * 1024)):
            pass

    def read(self, size: int) -> bytes:
        if size > MAX_PAGE + 1024 or size < 0:
            raise ArchiveBombError("a header is too long")
        pieces: list[bytes] = []
        while size > 0 and (piece := self._stream.read(size)):
            pieces.append(piece)
            size -= len(piece)
            self._position += len(piece)
            if self._position > self._limit:
                raise ArchiveBombError(f"it unpacks to more than {self._limit // 2**20:,} MB")
        return b"".join(pieces)
