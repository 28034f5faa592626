"""A bundle as one tar archive, written and read as a stream: the manifest, what lies beside it, then its files.

Equal bundles give equal bytes. What is read is trusted in nothing: only plain files that the manifest names are taken,
each once and of just the length and the digest that it has there. Knows nothing about compression or keys.
"""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from bundle.atomic import is_free, new_folder
from bundle.errors import BundleError
from bundle.gguf import Source
from bundle.inspection import inspect
from bundle.manifest import COMPANIONS, MANIFEST, MAX_MANIFEST, Manifest, check_complete, parse_manifest
from bundle.stage import Progress

_BLOCK = tarfile.BLOCKSIZE
_LONGEST_NAME = tarfile.LENGTH_NAME
_END = bytes(2 * _BLOCK)
_DISTRUST = "do not use this archive"

Check = Callable[[bytes, Mapping[str, bytes]], None]
"""Called with the manifest's bytes and its companions before any other file is read; may refuse them."""


@dataclass(frozen=True)
class Packed:
    """What an archive holds."""

    manifest: Manifest
    manifest_bytes: bytes
    companions: dict[str, bytes]
    """The files beside the manifest's own: name → bytes."""


def write_archive(
    folder: Path, manifest_bytes: bytes, companions: Mapping[str, bytes], stream: BinaryIO, progress: Progress
) -> Manifest:
    """Write the bundle in `folder` to `stream`, checking each file on the way.

    Raises:
        BundleError: a file is missing or not the one that was sealed; what was written is no archive then.
    """
    manifest = parse_manifest(manifest_bytes, folder / MANIFEST)
    check_complete(manifest, folder / MANIFEST)
    for name in manifest.files:
        if len(name.encode()) > _LONGEST_NAME:
            raise BundleError(f"{folder / name}: its name is too long for an archive; give the project a shorter one")
        if not (folder / name).is_file():
            raise BundleError(f"{folder / name}: missing from the bundle; convert or copy it anew")
    for name, data in {MANIFEST: manifest_bytes, **dict(sorted(companions.items()))}.items():
        stream.write(_header(name, len(data)) + data + _padding(len(data)))
    tick = _ticker("Packing", manifest, progress)
    for name in sorted(manifest.files):
        stream.write(_header(name, manifest.sizes[name]))
        with (folder / name).open("rb", buffering=0) as handle:
            inspect(manifest.expected(name), str(folder / name), handle, stream, tick)
            if handle.read(1):
                raise BundleError(f"{folder / name}: not the file that was sealed; convert or copy it anew")
        stream.write(_padding(manifest.sizes[name]))
    stream.write(_END)
    return manifest


def verify_archive(stream: Source, where: str, check: Check, progress: Progress) -> Packed:
    """Read an archive to its end and keep nothing of its files.

    Raises:
        BundleError: says what is wrong with it; `where` is how it is called.
    """
    reader = _Reader(stream, where)
    packed = _read_beginning(reader, check)
    _read_files(reader, packed, None, "Checking", progress)
    return packed


def unpack_archive(stream: Source, where: str, folder: Path, check: Check, progress: Progress) -> Packed:
    """Read an archive into a new folder, which appears when all of it is there and right.

    Raises:
        BundleError: says what is wrong with it, or that the folder is there already.
    """
    if not is_free(folder):
        raise BundleError(f"{folder}: is there already; name another folder, or move it away")
    reader = _Reader(stream, where)
    packed = _read_beginning(reader, check)
    try:
        with new_folder(folder) as partial:
            need, room = sum(packed.manifest.sizes.values()), shutil.disk_usage(partial).free
            if room < need:
                raise BundleError(
                    f"{folder}: needs {need / 1e6:,.0f} MB and {room / 1e6:,.0f} are free; free some space"
                )
            _read_files(reader, packed, partial, "Unpacking", progress)
            for name, data in packed.companions.items():
                (partial / name).write_bytes(data)
            (partial / MANIFEST).write_bytes(packed.manifest_bytes)
    except FileExistsError:
        raise BundleError(f"{folder}: is there already, put there meanwhile; name another folder") from None
    return packed


def _read_beginning(reader: _Reader, check: Check) -> Packed:
    """Read what comes before the files, and let `check` look at it."""
    name, size = reader.member() or ("", 0)
    if name != MANIFEST:
        raise BundleError(f"{reader.where}: no archive of a bundle (it begins with no {MANIFEST}); name another")
    data = reader.small(name, size, MAX_MANIFEST)
    manifest = parse_manifest(data, f"{reader.where}: {MANIFEST}")
    check_complete(manifest, f"{reader.where}: {MANIFEST}")
    companions: dict[str, bytes] = {}
    while (found := reader.member()) and found[0] in COMPANIONS and found[0] not in companions:
        companions[found[0]] = reader.small(*found, COMPANIONS[found[0]])
    reader.pushed_back = found
    check(data, companions)
    return Packed(manifest, data, companions)


def _read_files(reader: _Reader, packed: Packed, out: Path | None, doing: str, progress: Progress) -> None:
    """Read the manifest's files, into `out` where there is one, and the archive's end."""
    manifest, seen = packed.manifest, {MANIFEST, *packed.companions}
    tick = _ticker(doing, manifest, progress)
    while member := reader.member():
        name, size = member
        where = f"{reader.where}: {name}"
        if name in seen:
            raise BundleError(f"{reader.where}: holds {name[:80]!r} twice; {_DISTRUST}")
        if name not in manifest.files:
            raise BundleError(f"{reader.where}: holds {name[:80]!r}, which its manifest doesn't name; {_DISTRUST}")
        if size != manifest.sizes[name]:
            raise BundleError(f"{where}: has {size:,} bytes and not {manifest.sizes[name]:,}; {_DISTRUST}")
        seen.add(name)
        if out:
            (out / name).parent.mkdir(parents=True, exist_ok=True)
        with (out / name).open("xb") if out else nullcontext() as sink:
            inspect(manifest.expected(name), where, reader.source, sink, tick)
        reader.padding(name, size)
    if missing := [name for name in manifest.files if name not in seen]:
        raise BundleError(f"{reader.where}: ends without {missing[0]!r}; copy or pack it anew")
    reader.end()


def _ticker(doing: str, manifest: Manifest, progress: Progress) -> Callable[[int], None]:
    done, total = 0, sum(manifest.sizes.values())

    def tick(count: int) -> None:
        nonlocal done
        done += count
        progress(f"{doing} {manifest.name}", done / 1e6, total / 1e6, "MB")

    return tick


def _header(name: str, size: int) -> bytes:
    """A plain file's header: no owner, no time, the same rights for every file."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    return member.tobuf(tarfile.GNU_FORMAT, "utf-8", "strict")


def _padding(size: int) -> bytes:
    return bytes(-size % _BLOCK)


class _Reader:
    """A tar archive's members one after another; one header is read at a time, and nothing that it asks for."""

    def __init__(self, source: Source, where: str) -> None:
        self.source, self.where = source, where
        self.pushed_back: tuple[str, int] | None = None
        self._at_end = False

    def member(self) -> tuple[str, int] | None:
        """The next plain file's name and size; None at the archive's end."""
        if self.pushed_back:
            found, self.pushed_back = self.pushed_back, None
            return found
        if self._at_end:
            return None
        block = self._take(_BLOCK, "a header")
        if not any(block):
            self._at_end = True
            return None
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        except (tarfile.HeaderError, ValueError):
            raise BundleError(f"{self.where}: damaged, or no archive of a bundle; copy or pack it anew") from None
        if header.type != tarfile.REGTYPE:
            kind = _KINDS.get(header.type, "no plain file")
            raise BundleError(f"{self.where}: {header.name[:80]!r} in it is {kind}; {_DISTRUST}")
        return header.name, header.size

    def small(self, name: str, size: int, most: int) -> bytes:
        """A small file's bytes."""
        if not 0 <= size <= most:
            raise BundleError(f"{self.where}: {name} in it claims {size:,} bytes, and {most:,} are taken; {_DISTRUST}")
        data = self._take(size, name)
        self.padding(name, size)
        return data

    def padding(self, name: str, size: int) -> None:
        """What fills a file's last block."""
        if any(self._take(-size % _BLOCK, name)):
            raise BundleError(f"{self.where}: damaged after {name}; copy or pack it anew")

    def end(self) -> None:
        """What comes after the last file."""
        if any(self._take(len(_END) - _BLOCK, "its end")) or self.source.read(1):
            raise BundleError(f"{self.where}: goes on after its end; {_DISTRUST}")

    def _take(self, count: int, what: str) -> bytes:
        parts = []
        while count:
            data = self.source.read(count)
            if not data:
                raise BundleError(f"{self.where}: ends in the middle of {what}; copy it anew")
            parts.append(data)
            count -= len(data)
        return b"".join(parts)


_KINDS = {
    tarfile.LNKTYPE: "a link",
    tarfile.SYMTYPE: "a link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.DIRTYPE: "a folder",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}
