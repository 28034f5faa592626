"""Keys from a terminal, one at a time, without Enter. What arrow and function keys send is left out.

Knows nothing about what the keys mean.
"""

from __future__ import annotations

import os
import re
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_SEQUENCES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.|.)?", re.DOTALL)
_END = "\x04"


@contextmanager
def keys(descriptor: int) -> Iterator[Iterator[str]]:
    """The keys pressed until Ctrl+D or until the terminal goes; afterwards the terminal is as it was."""
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield _pressed(descriptor)
    finally:
        with suppress(termios.error):  # the terminal may have gone
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _pressed(descriptor: int) -> Iterator[str]:
    while data := _read(descriptor):
        for key in _SEQUENCES.sub("", data.decode(errors="ignore")):
            if key == _END:
                return
            yield "\n" if key == "\r" else key


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1024)
    except OSError:
        return b""  # the terminal has gone
