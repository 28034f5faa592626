"""The objects of a JSON file, one after another, whatever they are wrapped in. Knows nothing about what they mean.

Read are an array, several arrays in a row (as `gh api --paginate` writes them), one object a line, and a single
object; packed by gzip or not. A file is never in memory as a whole, only the object at hand.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from curation.entries import Dropped

MAX_OBJECT = 16_000_000
"""Characters beyond which an object is refused."""
MAX_FILE = 4_000_000_000
"""Characters, unpacked, beyond which a file is not read on."""
_CHUNK = 65_536
_BETWEEN = " \t\r\n,[]"


def read_objects(path: Path) -> Iterator[dict[str, Any] | Dropped]:
    """Yield the objects of a file; a fault ends it, as what follows can't be told apart.

    Yields:
        objects, and at most one `Dropped`: `broken-file` or `too-large`.
    """
    with path.open("rb") as raw:
        head = raw.peek(2)[:2]
        encoding = "utf-16" if head in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        try:
            with gzip.GzipFile(fileobj=raw) if head == b"\x1f\x8b" else raw as unpacked:
                yield from _objects(io.TextIOWrapper(unpacked, encoding=encoding), path.name)
        except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
            yield Dropped(code="broken-file", detail=str(error), where=path.name)


def _objects(handle: io.TextIOBase, name: str) -> Iterator[dict[str, Any] | Dropped]:
    decoder = json.JSONDecoder()
    buffer, place, read = "", 0, 0
    ended = False

    def dropped(code: str, detail: str) -> Dropped:
        return Dropped(code=code, detail=detail, where=f"{name}, character {read - len(buffer) + place}")

    while True:
        while place < len(buffer) and buffer[place] in _BETWEEN:
            place += 1
        fault = ""
        if place < len(buffer):
            if buffer[place] != "{":
                yield dropped("broken-file", f"{buffer[place : place + 20]!r} where an object should begin")
                return
            try:
                value, place = decoder.raw_decode(buffer, place)
                yield value
                continue
            except json.JSONDecodeError as error:
                fault = error.msg
            except (ValueError, RecursionError) as error:
                yield dropped("broken-file", str(error)[:200])
                return
        if ended:
            if fault:
                yield dropped("broken-file", f"not JSON, or not the whole of it: {fault}")
            return
        if len(buffer) - place > MAX_OBJECT:
            yield dropped("too-large", f"an object of more than {MAX_OBJECT:,} characters")
            return
        # Twice as much each time, so that a long object is not tried from its start again and again.
        more = handle.read(max(_CHUNK, len(buffer) - place))
        ended = not more
        buffer, place = buffer[place:] + more, 0
        read += len(more)
        if read > MAX_FILE:
            yield dropped("too-large", f"more than {MAX_FILE:,} characters")
            return
