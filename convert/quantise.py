"""Quantises a GGUF file with llama.cpp's own quantiser. Knows nothing about where the file comes from."""

from __future__ import annotations

import ctypes
import difflib
from pathlib import Path

import llama_cpp

from bundle.errors import ConvertError
from convert import llama_log

_MOSTLY = "LLAMA_FTYPE_MOSTLY_"
FILE_TYPES: dict[str, int] = {
    "F32": llama_cpp.LLAMA_FTYPE_ALL_F32,
    **{name.removeprefix(_MOSTLY): getattr(llama_cpp, name) for name in dir(llama_cpp) if name.startswith(_MOSTLY)},
}
"""Every file type that the installed llama.cpp knows: its name → its number."""


def known_types(names: tuple[str, ...]) -> tuple[str, ...]:
    """llama.cpp's spelling of each quantisation, without repeats and in the same order.

    Raises:
        ConvertError: a name is unknown; the text names the nearest one.
    """
    for name in names:
        if name.upper() not in FILE_TYPES:
            nearest = difflib.get_close_matches(name.upper(), FILE_TYPES, n=1, cutoff=0)[0]
            raise ConvertError(f"convert.quantisations: llama.cpp knows no {name!r}; did you mean {nearest!r}?")
    return tuple(dict.fromkeys(name.upper() for name in names))


def quantise(source: Path, out: Path, file_type: str, threads: int) -> None:
    """Write `source`, an unquantised GGUF file, to `out` in one of `FILE_TYPES`.

    Raises:
        ConvertError: llama.cpp refuses; the text is what it said last.
    """
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = FILE_TYPES[file_type]
    parameters.nthread = threads
    llama_log.listen()
    if llama_cpp.llama_model_quantize(str(source).encode(), str(out).encode(), ctypes.byref(parameters)):
        said = llama_log.first_error()
        raise ConvertError(f"{file_type}: llama.cpp can't quantise this model so ({said}); choose another type")
