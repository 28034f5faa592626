"""An exception as the one line that a user sees, or None where it is a defect of ours and deserves its traceback."""

from __future__ import annotations

import errno

from bundle.errors import BoffinError, explain_os_error

_DISK_FULL = ("No space left on device", f"os error {errno.ENOSPC}", "database or disk is full")


def one_line(error: BaseException) -> str | None:
    """The line; looks through what caused the exception, too: libraries wrap a full disk in errors of their own."""
    if isinstance(error, BoffinError):
        return " ".join(str(error).split())
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, OSError) and (line := explain_os_error(link)):
            return line
        if any(mark in str(link) for mark in _DISK_FULL):
            return "the disk is full; free some space and run the command again"
        link = link.__cause__ or link.__context__
    return None
