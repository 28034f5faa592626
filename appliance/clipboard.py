"""The system's clipboard, through the programs that reach it; what was written is read back, so that it is known.

The terminal's own way (OSC 52) isn't here: it gives no answer. Knows nothing about Textual.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

TIMEOUT = 3.0
"""Seconds that a program gets."""


@dataclass(frozen=True)
class ClipboardProgram:
    """A program that writes the clipboard, and how it is read back."""

    copy: tuple[str, ...]
    paste: tuple[str, ...]

    @property
    def name(self) -> str:
        """What it is called."""
        return self.copy[0]


_WAYLAND = ClipboardProgram(("wl-copy",), ("wl-paste", "--no-newline"))
_X11 = (
    ClipboardProgram(("xclip", "-selection", "clipboard", "-in"), ("xclip", "-selection", "clipboard", "-out")),
    ClipboardProgram(("xsel", "--clipboard", "--input"), ("xsel", "--clipboard", "--output")),
)
_MAC = ClipboardProgram(("pbcopy",), ("pbpaste",))


def program(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> ClipboardProgram | None:
    """The program that reaches the clipboard of the screen in front of the user, or None."""
    candidates: list[ClipboardProgram] = []
    # Over SSH a program here would write the clipboard of another machine, unless the display is forwarded.
    if platform == "darwin" and not environment.get("SSH_CONNECTION"):
        candidates.append(_MAC)
    if environment.get("WAYLAND_DISPLAY"):
        candidates.append(_WAYLAND)
    if environment.get("DISPLAY"):
        candidates.extend(_X11)
    return next((one for one in candidates if shutil.which(one.copy[0]) and shutil.which(one.paste[0])), None)


def copy(text: str, to: ClipboardProgram) -> bool:
    """Write the clipboard and read it back; True when it holds the text."""
    try:
        # These programs stay in the background for as long as they own the clipboard: no pipe of ours may keep them.
        subprocess.run(
            to.copy,
            input=text.encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=TIMEOUT,
            check=True,
            start_new_session=True,
        )
        read = subprocess.run(
            to.paste, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return False
    return read == text.encode()


def told(what: str, to: ClipboardProgram | None, checked: bool) -> str:
    """One line on where a text went."""
    if to is not None and checked:
        return f"{what} copied ({to.name}, checked; and through the terminal)."
    failed = f"{to.name} did not take it" if to is not None else "no clipboard program here"
    return f"{what} sent to the terminal, which doesn't say whether it took it ({failed})."
