"""The user's own records, as JSON lines. Each line is checked by itself; a bad one is told with its number.

too-large       a line is too long
invalid-entry   a line that isn't a record: what is wrong with which key
Knows nothing about the answers' form.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bundle.errors import SourceError
from curation.collectors.subject import subject
from curation.entries import Dropped, Origin, RecordEntry, Snippet
from curation.settings import JsonlSource

MAX_LINE = 1_000_000
"""Bytes beyond which a line is left out."""


class _Line(BaseModel):
    """What a line may hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    instruction: str = Field(min_length=1)
    input: str = ""
    output: str = Field(min_length=1)
    symbol: str = Field(default="", pattern=r"^([^\W\d]\w*(\.[^\W\d]\w*)*)?$")
    package: str = ""
    licence: str = ""
    url: str = ""


class JsonlCollector:
    """Reads the user's own records."""

    def __init__(self, source: JsonlSource, folder: Path) -> None:
        """`folder` is the project's, to which a relative path belongs."""
        self._source = source
        self._path = folder / Path(source.path).expanduser()

    @property
    def name(self) -> str:
        """The file or the folder."""
        return self._source.path

    def collect(self) -> Iterator[RecordEntry | Dropped]:
        """Yield the records in the files' order.

        Raises:
            SourceError: there is no such file, or it has no lines.
        """
        empty = True
        for path in self._files():
            for number, line in _lines(path):
                empty = False
                yield self._entry(path.name, number, line)
        if empty:
            raise SourceError(f"curation.sources: {self.name} has no records; look at `path`")

    def _files(self) -> list[Path]:
        path = self._path
        files = [path] if path.is_file() else sorted(path.glob("*.jsonl"))
        if not files:
            raise SourceError(f"curation.sources: {path} is no file and has no .jsonl files in it; look at `path`")
        return files

    def _entry(self, file: str, number: int, line: bytes) -> RecordEntry | Dropped:
        where = f"{file}:{number}"
        if len(line) > MAX_LINE:
            return Dropped(code="too-large", detail=f"a line of more than {MAX_LINE:,} bytes", where=where)
        try:
            one = _Line.model_validate_json(line.removeprefix(b"\xef\xbb\xbf"))
        except ValidationError as error:
            return Dropped(code="invalid-entry", detail=_complaint(error), where=where)
        package = one.package if one.package in self._source.packages else ""
        if one.package and not package:
            detail = f"package: {one.package[:100]} is not among the source's `packages`"
            return Dropped(code="invalid-entry", detail=detail, where=where)
        answer = Snippet(source=one.output, form="script")
        origin = Origin(
            source=self._source.kind,
            package=package or subject(self._source.packages, [one.symbol.partition(".")[0]], [answer]),
            version="",
            licence=one.licence or self._source.licence,
            url=one.url or where,
            written=True,
        )
        return RecordEntry(
            origin=origin, instruction=one.instruction, input=one.input, output=one.output, symbol=one.symbol
        )


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that aren't empty, with their numbers; of a line that is too long, its beginning."""
    with path.open("rb") as handle:
        number = 0
        while line := handle.readline(MAX_LINE + 1):
            number += 1
            rest = line
            while not rest.endswith(b"\n") and (rest := handle.readline(MAX_LINE)):
                pass
            if line.strip():
                yield number, line


def _complaint(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    key = ".".join(str(part) for part in first["loc"])[:100]
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, _Line.model_fields, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(_Line.model_fields)}"
        return f"{key}: no such key; {hint}"
    return f"{key or 'line'}: {first['msg']}"
