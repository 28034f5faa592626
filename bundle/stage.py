"""What a stage gives back when it is done, and how it tells its progress meanwhile.

A stage writes its artefact into an empty folder that it is given; the front door publishes that folder.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import Protocol, TextIO


@dataclass(frozen=True)
class StageResult:
    """The summary of a finished stage."""

    came_in: str
    """What it worked on, e.g. `8,016 entries of 4 packages`."""
    went_out: str
    """What it made, e.g. `5,210 records to train on, 581 held out`."""
    notes: tuple[str, ...] = field(default=())
    """Further lines worth reading."""


class Progress(Protocol):
    """Called by long work: what is being done, how much of it, and how much there is (0 when unknown)."""

    def __call__(self, what: str, done: float = 0, total: float = 0, unit: str = "") -> None:
        """Tell the progress; calls may be as frequent as the work's own steps."""


def silent(what: str, done: float = 0, total: float = 0, unit: str = "") -> None:
    """A `Progress` that shows nothing."""


class TerminalProgress:
    """A `Progress` on a stream: one line that changes on a terminal, a line every few seconds elsewhere."""

    def __init__(self, stream: TextIO | None = None, every: float = 10.0) -> None:
        """`every` is the pause between lines, in seconds, where the stream is no terminal."""
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._every = 0.1 if self._terminal else every
        self._what = ""
        self._began = self._shown = 0.0
        self._first = 0.0

    def __call__(self, what: str, done: float = 0, total: float = 0, unit: str = "") -> None:
        """Show the line if it is new, or if enough time has passed."""
        now = time.monotonic()
        new = what != self._what
        if new:
            self._what, self._began, self._first = what, now, done
        finished = bool(total) and done >= total
        if not new and not finished and now - self._shown < self._every:
            return
        self._shown = now
        self._write(self._line(what, done, total, unit, now))

    def _line(self, what: str, done: float, total: float, unit: str, now: float) -> str:
        line = f"  {what}"
        if total:
            line += f"  {done:,.0f}/{total:,.0f} {unit}".rstrip()
        elif done:
            line += f"  {done:,.0f} {unit}".rstrip()
        elapsed = now - self._began
        if done > self._first and elapsed > 1:
            rate = (done - self._first) / elapsed
            line += f"  {rate:,.1f}/s"
            if total > done:
                line += f"  {_duration((total - done) / rate)} left"
        return line

    def _write(self, line: str) -> None:
        if self._terminal:
            self._stream.write(f"\r\x1b[2K{line[:118]}")
        else:
            self._stream.write(line + "\n")
        self._stream.flush()

    def end(self) -> None:
        """Clear the line on a terminal."""
        if self._terminal and self._what:
            self._stream.write("\r\x1b[2K")
            self._stream.flush()
        self._what = ""


def announce(text: str, stream: TextIO | None = None) -> None:
    """Write lines that stay, while a `TerminalProgress` on the same stream (standard error) goes on below them."""
    stream = stream or sys.stderr
    clear = "\r\x1b[2K" if stream.isatty() else ""
    stream.write(clear + "".join(f"  {line}".rstrip() + "\n" for line in text.split("\n")))
    stream.flush()


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
