"""Writes safetensors files as a stream: the header first, since every shape is known, then each tensor's bytes in turn.

The library's own writer wants all of a file's tensors in memory. The format is safetensors' (its README): eight bytes
with the header's length, the header as JSON, the data. Knows nothing about where the tensors come from.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

SHARD_BYTES = 5_000_000_000
"""The largest file, unless one tensor alone is larger."""

_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


@dataclass(frozen=True)
class Entry:
    """One tensor that will be written."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """Its size in the file."""
        return math.prod(self.shape) * self.dtype.itemsize


def write_shards(out: Path, entries: Sequence[Entry], parts: Iterator[Tensor], size: int = SHARD_BYTES) -> None:
    """Write `entries` into `out` as model.safetensors, or as several files and their index.

    `parts` yields the tensors' rows one after the other, in the order that `ordered` gives, each in its entry's dtype.
    """
    shards = _split(entries, size)
    names = ["model.safetensors"]
    if len(shards) > 1:
        names = [f"model-{i:05}-of-{len(shards):05}.safetensors" for i in range(1, len(shards) + 1)]
    for name, shard in zip(names, shards, strict=True):
        _write(out / name, shard, parts)
    if len(shards) > 1:
        where = {entry.name: name for name, shard in zip(names, shards, strict=True) for entry in shard}
        index = {"metadata": {"total_size": sum(entry.bytes for entry in entries)}, "weight_map": where}
        (out / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def ordered(entries: Sequence[Entry], size: int = SHARD_BYTES) -> list[Entry]:
    """The order in which tensors are written: file by file, the widest numbers first, so that all are aligned."""
    return [entry for shard in _split(entries, size) for entry in shard]


def _split(entries: Sequence[Entry], size: int) -> list[list[Entry]]:
    shards: list[list[Entry]] = [[]]
    room = size
    for entry in entries:
        if shards[-1] and entry.bytes > room:
            shards.append([])
            room = size
        shards[-1].append(entry)
        room -= entry.bytes
    return [sorted(shard, key=lambda entry: -entry.dtype.itemsize) for shard in shards]


def _write(path: Path, entries: Sequence[Entry], parts: Iterator[Tensor]) -> None:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    at = 0
    for entry in entries:
        header[entry.name] = {
            "dtype": _NAMES[entry.dtype],
            "shape": entry.shape,
            "data_offsets": [at, at + entry.bytes],
        }
        at += entry.bytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for entry in entries:
            left = entry.bytes
            while left:
                part = next(parts).contiguous().view(-1).view(torch.uint8)
                file.write(part.numpy().data)
                left -= part.numel()
