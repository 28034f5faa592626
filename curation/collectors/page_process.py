"""Reading pages in a process of its own, since pages may be hostile and the HTML parser is C.

A page that takes too long, too much memory, or breaks the parser costs that process alone; the next page gets a new
one. Run as a module it is that process: it reads what all pages have in common, then page after page, and answers each
with its entries on one line. Knows nothing about where pages come from.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from typing import BinaryIO, Literal, Self

from pydantic import TypeAdapter

from curation.collectors.html_page import PageReader
from curation.collectors.inventory import Inventory
from curation.collectors.markdown_page import MarkdownReader
from curation.collectors.pages import Page
from curation.entries import Dropped, Entry, Origin

SECONDS = 30.0
"""Time that one page may take."""
MEMORY = 2 * 1024**3
"""Bytes of address space that the process may take."""
_MAX_LINE = 256 * 1024 * 1024
_ANSWER: TypeAdapter[list[Entry | Dropped]] = TypeAdapter(list[Entry | Dropped])


class PageProcess:
    """Reads the pages of one documentation; a context manager, since it holds a process."""

    def __init__(
        self,
        form: Literal["html", "markdown"],
        origin: Origin,
        inventory: Inventory | None = None,
        seconds: float = SECONDS,
    ) -> None:
        """Set up; the process begins with the first page.

        Args:
            form: what the pages are written in.
            origin: what all entries have in common.
            inventory: the documentation's inventory.
            seconds: the time that one page may take.
        """
        facts = asdict(inventory) | {"modules": sorted(inventory.modules)} if inventory else None
        self._start = json.dumps([form, origin.model_dump(), facts]).encode() + b"\n"
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def read(self, page: Page) -> list[Entry | Dropped]:
        """The entries of a page, or why it has none."""
        late = threading.Event()
        process = self._process or self._begin()

        def stop() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(self._seconds, stop)
        timer.daemon = True
        timer.start()
        try:
            assert process.stdin is not None and process.stdout is not None
            header = json.dumps([page.path, page.url, len(page.html)]).encode() + b"\n"
            with suppress(BrokenPipeError):
                process.stdin.write(header + page.html)
                process.stdin.flush()
            line = process.stdout.readline(_MAX_LINE)
        finally:
            timer.cancel()
        if line.endswith(b"\n"):
            return _ANSWER.validate_json(line)
        self._end()
        if late.is_set():
            return [Dropped(code="too-slow", detail=f"not read within {self._seconds:.0f} s", where=page.path)]
        return [Dropped(code="broken-page", detail="the parser failed on it", where=page.path)]

    def _begin(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-X", "utf8", "-m", "curation.collectors.page_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(self._start)
            self._process.stdin.flush()
        if self._process.stdout.readline(64) != b"ready\n":
            self._end()
            raise RuntimeError(f"{sys.executable} -m curation.collectors.page_process can't be run")
        return self._process

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()
        self._process = None


def main(incoming: BinaryIO, outgoing: BinaryIO) -> None:
    """Answer page after page until there are no more."""
    with suppress(ValueError, OSError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    form, origin, facts = json.loads(incoming.readline())
    inventory = None
    if facts is not None:
        inventory = Inventory(**facts | {"pages": tuple(facts["pages"]), "modules": frozenset(facts["modules"])})
    reader = PageReader(Origin(**origin), inventory) if form == "html" else MarkdownReader(Origin(**origin))
    outgoing.write(b"ready\n")
    outgoing.flush()
    while header := incoming.readline():
        path, url, size = json.loads(header)
        page = Page(path, url, incoming.read(size))
        outgoing.write(_ANSWER.dump_json(reader.read(page)) + b"\n")
        outgoing.flush()


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
