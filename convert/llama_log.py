"""What llama.cpp logs: kept off the terminal, and its first error kept for the message of a failure.

llama.cpp has one log callback for the whole process. Knows nothing about what is being done.
"""

from __future__ import annotations

import ctypes

import llama_cpp

_ERROR = 4
"""GGML_LOG_LEVEL_ERROR in ggml.h; the numbers in llama-cpp-python's own logger are those of an older revision."""
_errors: list[str] = []


def _note(level: int, text: bytes | None, _user_data: ctypes.c_void_p) -> None:
    # The first error is the cause; those after it tell who was disappointed.
    if level == _ERROR and not _errors:
        _errors.append((text or b"").decode("utf-8", errors="replace").strip())


# llama.cpp calls this for as long as the process lives: a callback that was collected would crash it.
_CALLBACK = llama_cpp.llama_log_callback(_note)


def listen() -> None:
    """Take over llama.cpp's log and forget what it said before."""
    _errors.clear()
    llama_cpp.llama_log_set(_CALLBACK, ctypes.c_void_p(0))


def first_error() -> str:
    """The first error since `listen`, as one printable line of at most 300 characters."""
    said = _errors[0] if _errors else "no reason given"
    return "".join(character for character in said if character.isprintable())[:300]
