"""An adapter's lineage: on which base and which records it was trained, written beside its weights.

Records are told apart by the digests of their texts, never by time or file name. With them lie the held-out records of
the same dataset, which a later adapter is measured on, too. Imports no torch: the front door asks it as well.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from bundle.atomic import write_json
from bundle.digests import digest_value
from bundle.errors import BaseModelError, RecipeError
from bundle.records import Record, write_records

LINEAGE = "lineage.json"
HELD_OUT = "held-out.jsonl"
SCRATCH = "train from scratch with `boffin build --force train` and an empty `trainer.adapter`"
"""What helps where training can't go on."""
_SAMPLE = 4096
"""Bytes of each tensor that tell a base model from one of the same shape."""


class Lineage(BaseModel):
    """What an adapter was made from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: str
    """The base model's fingerprint."""
    records: tuple[str, ...]
    """Digest of each record of the dataset that it was trained on last; records that are gone from it aren't here."""
    continued: int = 0
    """How often training went on from an adapter before; 0 for one that began with the base alone."""


def write_lineage(out: Path, lineage: Lineage, held_out: Iterable[Record]) -> None:
    """Write an adapter's lineage and held-out records into its folder."""
    write_records(out / HELD_OUT, held_out)
    write_json(out / LINEAGE, lineage.model_dump(mode="json"))


def load_lineage(adapter: Path) -> Lineage:
    """Read an adapter's lineage.

    Raises:
        RecipeError: it has none, or it is damaged.
    """
    path = adapter / LINEAGE
    try:
        return Lineage.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        raise RecipeError(
            f"{path}: missing or damaged, so nothing tells what the adapter was trained on; {SCRATCH}"
        ) from None


def fingerprint(base: Path) -> str:
    """Stands for the weights of a base model, a Hugging Face folder: name, type, shape and beginning of each tensor.

    Neither the number of files nor what config.json says beside is in it. Reads a few megabytes of a large model.

    Raises:
        BaseModelError: a file of weights can't be read.
    """
    found = {}
    for file in sorted(base.glob("*.safetensors")):
        try:
            with file.open("rb") as handle:
                (length,) = struct.unpack("<Q", handle.read(8))
                header = json.loads(handle.read(length))
                header.pop("__metadata__", None)
                for name, tensor in header.items():
                    begin, end = tensor["data_offsets"]
                    handle.seek(8 + length + begin)
                    sample = handle.read(min(end - begin, _SAMPLE))
                    found[name] = [tensor["dtype"], tensor["shape"], hashlib.sha256(sample).hexdigest()]
        except (OSError, ValueError, KeyError, TypeError, struct.error, MemoryError):
            raise BaseModelError(f"{file}: damaged; fetch the base model anew") from None
    return digest_value(found)
