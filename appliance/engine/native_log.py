"""llama.cpp's log: silenced, with its errors kept for the message when something fails.

Knows nothing about what is loaded.
"""

from __future__ import annotations

import ctypes
from collections import deque

from appliance.engine.bindings import native

# GGML_LOG_LEVEL_ERROR and _CONT in ggml.h; the numbers in llama-cpp-python's own logger are those of an older revision.
_ERROR = 4
_CONTINUED = 5


class _Errors:
    """The error lines among what llama.cpp logs, the last twenty of them."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=20)
        self._level = 0

    def take(self, level: int, text: bytes) -> None:
        if level != _CONTINUED:
            self._level = level
        line = text.decode("utf-8", "replace").strip()
        if self._level == _ERROR and line:
            self.lines.append(line.splitlines()[0][:300])


_errors = _Errors()


@native.llama_log_callback
def _callback(level: int, text: bytes | None, _user_data: ctypes.c_void_p) -> None:
    # At module level, so that it lives as long as the process: llama.cpp keeps only the bare pointer.
    _errors.take(level, text or b"")


def silence() -> None:
    """Send llama.cpp's log to nowhere, except for its errors, and forget the errors so far."""
    native.llama_log_set(_callback, ctypes.c_void_p(0))
    _errors.lines.clear()


def first_error() -> str:
    """The first error since `silence`, in one line; empty if there was none."""
    return _errors.lines[0] if _errors.lines else ""
