"""Keys from a terminal, one at a time, without Enter, and word of its new size. Other keys that send more are left out.

Knows nothing about what the keys mean.
"""

from __future__ import annotations

import os
import re
import select
import signal
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress

UP, DOWN, PAGE_UP, PAGE_DOWN = "up", "down", "page up", "page down"
RESIZED = "resized"
"""Comes when the terminal has another size."""
_NAMES = {
    "\x1b[A": UP,
    "\x1bOA": UP,
    "\x1b[B": DOWN,
    "\x1bOB": DOWN,
    "\x1b[5~": PAGE_UP,
    "\x1b[6~": PAGE_DOWN,
    "\r": "\n",
}
_KEYS = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.|.)?|.", re.DOTALL)
_END = "\x04"


@contextmanager
def keys(descriptor: int) -> Iterator[Iterator[str]]:
    """The keys pressed until Ctrl+D or until the terminal goes; afterwards the terminal is as it was."""
    before = termios.tcgetattr(descriptor)
    heard, told = os.pipe()
    former = signal.signal(signal.SIGWINCH, lambda *_: os.write(told, b"\0"))
    try:
        tty.setcbreak(descriptor)
        yield _pressed(descriptor, heard)
    finally:
        signal.signal(signal.SIGWINCH, former)
        os.close(heard)
        os.close(told)
        with suppress(termios.error):  # the terminal may have gone
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _pressed(descriptor: int, resized: int) -> Iterator[str]:
    while True:
        ready = select.select([descriptor, resized], [], [])[0]
        if resized in ready:
            os.read(resized, 1024)
            yield RESIZED
        if descriptor not in ready:
            continue
        data = _read(descriptor)
        if not data:
            return
        for key in _KEYS.findall(data.decode(errors="ignore")):
            if key == _END:
                return
            if key in _NAMES or not key.startswith("\x1b"):
                yield _NAMES.get(key, key)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1024)
    except OSError:
        return b""  # the terminal has gone
