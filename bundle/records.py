"""The dataset's record types and its files.

A dataset is a folder: `train.jsonl` and `eval.jsonl` (one `Record` a line), `rejected.jsonl` (one `Rejection` a
line), `symbols.json` (the symbol table), `report.json`. Knows nothing about where records come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from bundle.atomic import atomic_open
from bundle.errors import DatasetError

TRAIN = "train.jsonl"
EVAL = "eval.jsonl"
REJECTED = "rejected.jsonl"
SYMBOLS = "symbols.json"
REPORT = "report.json"


class Provenance(BaseModel):
    """Where a record comes from."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    source: str
    """The kind of source that gave it, e.g. `package`."""
    package: str
    """The library it documents, by its distribution name; `stdlib` for the standard library."""
    version: str
    """The library's version."""
    symbol: str
    """The full dotted name it is about, e.g. `numpy.linalg.norm`."""
    kind: str
    """The kind of question, e.g. `usage`."""
    licence: str
    """The library's licence, as its metadata names it."""


class Record(BaseModel):
    """One instruction and its answer."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    instruction: str
    """The question."""
    input: str = ""
    """What the question is about, if it comes apart from it (code, a traceback); mostly empty."""
    output: str
    """The answer, in Markdown."""
    provenance: Provenance

    @property
    def question(self) -> str:
        """The user's message: the instruction, and the input below it where there is one."""
        return f"{self.instruction}\n\n{self.input}" if self.input else self.instruction


class Rejection(BaseModel):
    """A record that was left out, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    code: str
    """The reason, e.g. `too-long`."""
    detail: str
    """What exactly was found."""
    record: Record


def write_records(path: Path, records: Iterable[Record | Rejection]) -> int:
    """Write records as JSON lines, atomically; returns how many."""
    count = 0
    with atomic_open(path) as handle:
        for record in records:
            handle.write(record.model_dump_json() + "\n")
            count += 1
    return count


def read_records(path: Path) -> Iterator[Record]:
    """Yield the records of a JSON-lines file.

    Raises:
        DatasetError: the file is missing, or a line is not a record; the text names the line.
    """
    if not path.is_file():
        raise DatasetError(f"{path}: no such file; run `boffin curate` first")
    with path.open(encoding="utf-8") as handle:
        for number, line in enumerate(handle, start=1):
            try:
                yield Record.model_validate_json(line)
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(str(part) for part in first["loc"]) or "line"
                raise DatasetError(
                    f"{path}:{number}: not a record ({where}: {first['msg']}); run `boffin curate` to write it anew"
                ) from None
