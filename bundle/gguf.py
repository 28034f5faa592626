"""The header of a GGUF file, read as a stream and believed in nothing: whether its tensors lie where it says.

The format is that of ggml's docs/gguf.md, and what is refused here llama.cpp refuses, too; but a file that is made
to do harm costs neither memory nor minutes here. Knows nothing about bundles or about what the tensors are for.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from typing import Protocol

TYPES = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    9: ("Q8_1", 32, 40),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1),
    25: ("I16", 1, 2),
    26: ("I32", 1, 4),
    27: ("I64", 1, 8),
    28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17),
    40: ("NVFP4", 64, 36),
    41: ("Q1_0", 128, 18),
}
"""ggml's tensor types: number → name, elements a block, bytes a block."""

CHAT_TEMPLATE = "tokenizer.chat_template"
_ALIGNMENT = "general.alignment"
_KEPT = {"general.architecture", CHAT_TEMPLATE, _ALIGNMENT}
_SHAPE = ("block_count", "embedding_length", "head_count", "head_count_kv", "key_length", "value_length")
"""How the keys end that say how large a model's layers are."""
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_BLOCK = 1 << 20
_MAX_TEXT = 4 << 20
"""Bytes of a metadata text that is kept; a longer one of those in `_KEPT` is refused."""
_MAX_KEY, _MAX_NAME = 65_535, 63
_MAX_ITEMS = 4_000_000
"""Keys and texts of all arrays together; the largest vocabularies have about a million."""
_MAX_TENSORS = 200_000


class GgufFault(ValueError):
    """What is wrong with the header, in a few words; whoever knows the file's name makes a line of it."""


class Source(Protocol):
    """What is read from: gives at most `count` bytes, and none at its end."""

    def read(self, count: int, /) -> bytes:
        """The next bytes."""


@dataclass(frozen=True)
class Header:
    """What a GGUF file says of itself."""

    tensors: int
    """How many it has."""
    metadata: dict[str, int | float | bool | str] = field(default_factory=dict)
    """The architecture, the prompt template, the alignment and the sizes of layers, where it names them."""
    weights: dict[str, int] = field(default_factory=dict)
    """The bytes of each tensor, by its name."""


def read_header(source: Source, size: int) -> Header:
    """Read the header of a GGUF file of `size` bytes, and a little beyond it.

    Raises:
        GgufFault: it is none, or it says something that can't be.
    """
    stream = _Stream(source, size)
    magic, version = stream.take(4), stream.number("I")
    if magic != b"GGUF":
        raise GgufFault("it doesn't begin with GGUF")
    if version not in (2, 3):
        raise GgufFault(f"its version is {version}, and 2 and 3 are known")
    tensors, keys = stream.number("Q"), stream.number("Q")
    if tensors > _MAX_TENSORS:
        raise GgufFault(f"it claims {tensors:,} tensors")
    metadata: dict[str, int | float | bool | str] = {}
    seen: set[str] = set()
    for _ in range(keys):
        key = stream.text(_MAX_KEY, "a key")
        if key in seen:
            raise GgufFault(f"its key {key[:80]!r} comes twice")
        seen.add(key)
        value = _value(stream, stream.number("I"), keep=key in _KEPT or key.endswith(_SHAPE))
        if value is not None:
            metadata[key] = value
    return Header(tensors, metadata, _weights(stream, tensors, _alignment(metadata), size))


def _alignment(metadata: dict[str, int | float | bool | str]) -> int:
    alignment = metadata.get(_ALIGNMENT, 32)
    if type(alignment) is not int or alignment <= 0 or alignment & (alignment - 1):
        raise GgufFault(f"its alignment is {str(alignment)[:20]!r}, which is no power of two")
    return alignment


def _value(stream: _Stream, kind: int, *, keep: bool) -> int | float | bool | str | None:
    """Read a metadata value, or pass over it."""
    if kind in _SCALARS:
        value = stream.number(_SCALARS[kind])
        return value if keep else None
    if kind == _STRING:
        if keep:
            return stream.text(_MAX_TEXT, "a metadata text")
        stream.skip_texts(1)
    elif kind == _ARRAY:
        inner, count = stream.number("I"), stream.number("Q")
        if inner in _SCALARS:
            stream.skip(count * struct.calcsize("<" + _SCALARS[inner]))
        elif inner == _STRING:
            stream.skip_texts(count)
        else:
            raise GgufFault(f"it has an array of the unknown type {inner}")
    else:
        raise GgufFault(f"it has a value of the unknown type {kind}")
    return None


def _weights(stream: _Stream, count: int, alignment: int, size: int) -> dict[str, int]:
    """The bytes of each tensor; they must follow one another, aligned, up to the end of the file."""
    weights: dict[str, int] = {}
    end, last = 0, 0
    for _ in range(count):
        name = stream.text(_MAX_NAME, "a tensor's name")
        shown = repr(name)
        if name in weights:
            raise GgufFault(f"its tensor {shown} comes twice")
        dimensions = stream.number("I")
        if dimensions > 4:
            raise GgufFault(f"its tensor {shown} has {dimensions} dimensions")
        shape = [stream.number("q") for _ in range(dimensions)]
        kind, offset = stream.number("I"), stream.number("Q")
        if kind not in TYPES:
            raise GgufFault(f"its tensor {shown} is of the unknown type {kind}")
        if any(length <= 0 for length in shape):
            raise GgufFault(f"its tensor {shown} has the shape {shape}")
        type_name, block, block_bytes = TYPES[kind]
        if (shape[0] if shape else 1) % block:
            raise GgufFault(f"its tensor {shown} has rows of {shape[:1]}, which {type_name} can't hold")
        if offset != end:
            raise GgufFault(f"its tensor {shown} lies at {offset:,} and should at {end:,}")
        weights[name] = math.prod(shape) // block * block_bytes
        last = offset + weights[name]
        end = _aligned(last, alignment)
    needed = _aligned(stream.at, alignment) + last if count else stream.at
    if needed > size:
        raise GgufFault(f"its tensors need {needed:,} bytes and it has {size:,}")
    return weights


def _aligned(position: int, alignment: int) -> int:
    return -(-position // alignment) * alignment


class _Stream:
    """The bytes of a file one after another, in blocks of a bounded size."""

    def __init__(self, source: Source, size: int) -> None:
        self._source, self._size = source, size
        self._block, self._next = b"", 0
        self._items = 0
        self.at = 0
        """Bytes that were taken or passed over."""

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        if count > self._size - self.at:
            raise GgufFault("it ends in the middle of its header")
        while len(self._block) - self._next < count:
            more = self._source.read(max(_BLOCK, count))
            if not more:
                raise GgufFault("it ends in the middle of its header")
            self._block, self._next = self._block[self._next :] + more, 0
        data = self._block[self._next : self._next + count]
        self._next += count
        self.at += count
        return data

    def number(self, form: str) -> int:
        """The next number, little-endian; `form` is a letter of the struct module (a float passes as it is)."""
        value: int = struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))[0]
        return value

    def text(self, longest: int, what: str) -> str:
        """The next text."""
        self._count(1)
        length = self.number("Q")
        if length > longest:
            raise GgufFault(f"{what} of {length:,} bytes in it is too long")
        try:
            return self.take(length).decode("utf-8")
        except UnicodeDecodeError:
            raise GgufFault(f"{what} in it is not UTF-8") from None

    def skip_texts(self, count: int) -> None:
        """Pass over the next texts; a vocabulary has a million, so those that lie in the block take no call each."""
        self._count(count)
        length_of = struct.Struct("<Q").unpack_from
        while count:
            block, begin = self._block, self._next
            position, last = begin, len(block) - 8
            while count and position <= last:
                after = position + 8 + length_of(block, position)[0]
                if after > len(block):
                    break
                position, count = after, count - 1
            self._next = position
            self.at += position - begin
            if count:  # this one goes on in the next block
                self.skip(self.number("Q"))
                count -= 1

    def skip(self, count: int) -> None:
        """Pass over the next bytes, however many."""
        if count > self._size - self.at:
            raise GgufFault("it ends in the middle of its header")
        while count:
            count -= len(self.take(min(count, _BLOCK)))

    def _count(self, items: int) -> None:
        self._items += items
        if self._items > _MAX_ITEMS:
            raise GgufFault(f"it claims more than {_MAX_ITEMS:,} texts")
