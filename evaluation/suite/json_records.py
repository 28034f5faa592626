"""The records of a JSON file: one a line, or one list; gzipped or not, in UTF-8, UTF-16 or UTF-32.

Files are taken as strangers' work: their size is bounded, and each mistake is one line that names file and place.
Knows nothing about what a record holds.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evaluation.escape import one_line

MAX_BYTES = 64 * 2**20
"""Bytes of a file, once it is unpacked."""
_GZIP = b"\x1f\x8b"


def read_records(file: Path, most: int, mistakes: list[str]) -> Iterator[tuple[str, Any]]:
    """Each record, with where it stands: `set.jsonl:3`, or `set.json, entry 3`. Blank lines are passed over.

    Args:
        file: the file.
        most: how many records are read; more are a mistake.
        mistakes: what can't be read is added here, one line each.
    """
    shown = one_line(str(file))
    try:
        text = _text(file)
        entries = _entries(text) if text.lstrip().startswith("[") else None
    except ValueError as error:
        mistakes.append(f"{shown}: {one_line(str(error))}")
        return
    places = (
        ((f"{shown}:{number}", line) for number, line in enumerate(text.split("\n"), start=1) if line.strip())
        if entries is None
        else ((f"{shown}, entry {number}", entry) for number, entry in enumerate(entries, start=1))
    )
    for count, (place, found) in enumerate(places):
        if count == most:
            mistakes.append(f"{shown}: more than {most:,} records; split it")
            return
        try:
            yield place, _parsed(found) if entries is None else found
        except ValueError as error:
            mistakes.append(f"{place}: {one_line(str(error))}")


def _entries(text: str) -> list[Any]:
    value = _parsed(text)
    if not isinstance(value, list):
        raise ValueError("has to hold a record a line, or one list of them")
    return value


def _parsed(text: str) -> Any:
    """The JSON value of a text.

    Raises:
        ValueError: it is none.
    """
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("has half a character, an escape from \\ud800 to \\udfff without the other") from None
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if error.lineno > 1 else ""
        raise ValueError(f"no JSON: {error.msg}, at {line}character {error.colno}") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def _text(file: Path) -> str:
    """The text of a file.

    Raises:
        ValueError: it is no plain file, too large, or no text.
    """
    if not file.is_file():
        raise ValueError("not a plain file")
    try:
        with file.open("rb") as plain:
            packed = plain.read(len(_GZIP)) == _GZIP
            plain.seek(0)
            content = (gzip.GzipFile(fileobj=plain) if packed else plain).read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"can't be read ({getattr(error, 'strerror', None) or error})") from None
    if len(content) > MAX_BYTES:
        raise ValueError(f"more than {MAX_BYTES:,} bytes")
    try:
        return content.decode(json.detect_encoding(content))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"not {error.encoding.upper()}, from byte {error.start} in line {line} on") from None
