"""One file of a bundle, checked while its bytes go by: its length, its digest and, for a GGUF file, its header.

The bytes come from a folder or from an archive and may be written on as they are read, so a bundle is read once,
whatever is done with it. Knows nothing about manifests or archives.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from bundle.errors import BundleError
from bundle.gguf import CHAT_TEMPLATE, GgufFault, Source, read_header

_BLOCK = 1 << 20
REMEDY = "convert or copy it anew"


@dataclass(frozen=True)
class Expected:
    """What a manifest says of a file."""

    name: str
    """Its name in the bundle."""
    bytes: int
    """Its size in bytes."""
    digest: str
    """Its SHA-256."""
    template: str | None = None
    """The prompt template that has to be in it; None where that isn't asked."""


def inspect(expected: Expected, where: str, source: Source, sink: BinaryIO | None, tick: Callable[[int], None]) -> None:
    """Read one file from `source`, and no byte more, writing it on to `sink` where there is one.

    Args:
        expected: what it has to be.
        where: how it is called in an error.
        source: gives its bytes.
        sink: takes them.
        tick: told the number of bytes as they go by.

    Raises:
        BundleError: it is cut short or changed, or no sound GGUF file; what was written on is of no use then.
    """
    passage = _Passage(source, expected.bytes, sink, tick)
    fault = _gguf_fault(expected, passage) if expected.name.endswith(".gguf") else ""
    while passage.read(_BLOCK):
        pass
    if passage.left:
        there = expected.bytes - passage.left
        raise BundleError(f"{where}: cut short, {there:,} of {expected.bytes:,} bytes are there; {REMEDY}")
    if passage.digest != expected.digest:
        raise BundleError(f"{where}: not the file that was sealed; {REMEDY}")
    if fault:
        raise BundleError(f"{where}: not a sound GGUF file, though it was sealed so ({fault}); do not use this bundle")


def _gguf_fault(expected: Expected, passage: _Passage) -> str:
    try:
        header = read_header(passage, expected.bytes)
    except GgufFault as fault:
        return str(fault)
    if expected.template is not None and header.metadata.get(CHAT_TEMPLATE, "") != expected.template:
        return "its prompt template is not the manifest's"
    return ""


class _Passage:
    """The bytes of one file: counted, digested, and written on."""

    def __init__(self, source: Source, size: int, sink: BinaryIO | None, tick: Callable[[int], None]) -> None:
        self._source, self._sink, self._tick = source, sink, tick
        self._sha = hashlib.sha256()
        self.left = size
        """Bytes that haven't come yet."""

    def read(self, count: int, /) -> bytes:
        data = self._source.read(min(count, self.left))
        if data:
            self.left -= len(data)
            self._sha.update(data)
            if self._sink:
                self._sink.write(data)
            self._tick(len(data))
        return data

    @property
    def digest(self) -> str:
        return self._sha.hexdigest()
