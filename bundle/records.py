"""The dataset's record types and its files.

A dataset is a folder: `train.jsonl` and `eval.jsonl` (one `Record` a line), `rejected.jsonl` (one `Rejection` a
line), `symbols.json` (the symbol table), `report.json`. Knows nothing about where records come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from bundle.atomic import atomic_open
from bundle.digests import digest_value
from bundle.errors import DatasetError
from bundle.template import grounded

TRAIN = "train.jsonl"
EVAL = "eval.jsonl"
REJECTED = "rejected.jsonl"
SYMBOLS = "symbols.json"
REPORT = "report.json"


class Provenance(BaseModel):
    """Where a record comes from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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
    """The licence of the text, as its source names it."""
    url: str = ""
    """Where a person can read the original; empty for docstrings."""
    attribution: str = ""
    """Who has to be named, where the licence asks for it."""
    written: bool = False
    """Whether the code was written or changed for this purpose rather than taken from the library's documentation."""
    varies: bool = False
    """Whether two runs of the code gave different output, so that none is shown."""


class Record(BaseModel):
    """One instruction and its answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    instruction: str
    """The question."""
    input: str = ""
    """What the question is about, if it comes apart from it (code, a traceback); mostly empty."""
    output: str
    """The answer, in Markdown."""
    documentation: str = ""
    """What of the documentation stands before the question, as a model reads it; mostly nothing."""
    provenance: Provenance

    @property
    def message(self) -> str:
        """The user's message: the question, below the documentation where there is some."""
        return grounded(self.question, self.documentation)

    @property
    def question(self) -> str:
        """What is asked: the instruction, and the input below it where there is one."""
        return f"{self.instruction}\n\n{self.input}" if self.input else self.instruction

    @property
    def digest(self) -> str:
        """Stands for its texts, which are all that is learnt of it: 32 hexadecimal digits of their SHA-256.

        Where it comes from isn't in it: a library's new version whose text is the old one gives no new record.
        """
        texts = [self.instruction, self.input, self.output]
        return digest_value([*texts, self.documentation] if self.documentation else texts)[:32]


class Rejection(BaseModel):
    """Something that was left out, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
    """The reason, e.g. `too-long`."""
    stage: str
    """Where on the way it was left out: collect, compose, clean, verify, judge, balance."""
    detail: str
    """What exactly was found."""
    where: str = ""
    """For what was left out before it became a record: the page, file or line."""
    record: Record | None = None
    """The record, where there was one already."""


_Line = TypeVar("_Line", bound=BaseModel)


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
    return _read(path, Record)


def read_rejections(path: Path) -> Iterator[Rejection]:
    """Yield what was left out, from a JSON-lines file.

    Raises:
        DatasetError: the file is missing, or a line is not a rejection; the text names the line.
    """
    return _read(path, Rejection)


def _read(path: Path, model: type[_Line]) -> Iterator[_Line]:
    if not path.is_file():
        raise DatasetError(f"{path}: no such file; run `boffin curate` first")
    with path.open(encoding="utf-8") as handle:
        for number, line in enumerate(handle, start=1):
            try:
                yield model.model_validate_json(line)
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(str(part) for part in first["loc"]) or "line"
                what = f"not a {model.__name__.lower()} ({where}: {first['msg']})"
                raise DatasetError(f"{path}:{number}: {what}; run `boffin curate` to write it anew") from None
