"""Quantises a GGUF file with llama.cpp's own quantiser. Knows nothing about where the file comes from."""

from __future__ import annotations

import ctypes
import difflib
import re
from pathlib import Path

import llama_cpp

from bundle.errors import ConvertError
from convert import llama_log
from convert.importance import ImportanceMatrix

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


def bits_of(file_type: str) -> int | None:
    """The bits that a type is named after (4 for `Q4_K_M`, `IQ4_XS` and `MXFP4_MOE`); None for plain floats."""
    named = re.search(r"(?:Q|FP)(\d)", file_type)
    return int(named[1]) if named else None


def quantise(source: Path, out: Path, file_type: str, threads: int, importance: ImportanceMatrix | None = None) -> None:
    """Write `source`, an unquantised GGUF file, to `out` in one of `FILE_TYPES`.

    With an importance matrix the errors are weighed with it, and the file's metadata says so as llama.cpp's tool does.

    Raises:
        ConvertError: llama.cpp refuses; the text is what it said last.
    """
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = FILE_TYPES[file_type]
    parameters.nthread = threads
    # Both arrays are read while the call goes on, so both are held here until it has come back.
    matrix, notes = (_as_array(importance), _notes(importance)) if importance else (None, None)
    if matrix is not None:
        parameters.imatrix, parameters.kv_overrides = matrix, notes
    llama_log.listen()
    if llama_cpp.llama_model_quantize(str(source).encode(), str(out).encode(), ctypes.byref(parameters)):
        said = llama_log.first_error()
        raise ConvertError(f"{file_type}: llama.cpp can't quantise this model so ({said}); choose another type")


def _as_array(importance: ImportanceMatrix) -> ctypes.Array[llama_cpp.llama_model_imatrix_data]:
    """The matrix as llama.cpp takes it: an array that ends with an entry without a name."""
    entries = (llama_cpp.llama_model_imatrix_data * (len(importance.entries) + 1))()
    for place, (name, entry) in zip(entries, importance.entries.items(), strict=False):
        means = entry.means
        values = (ctypes.c_float * len(means)).from_buffer_copy(means.tobytes())
        place.name, place.data, place.size = name.encode(), values, len(means)
    return entries


def _notes(importance: ImportanceMatrix) -> ctypes.Array[llama_cpp.llama_model_kv_override]:
    """What the file's metadata gets; an array that ends with an entry without a key."""
    notes = (llama_cpp.llama_model_kv_override * 4)()
    notes[0].key, notes[0].tag = b"quantize.imatrix.dataset", llama_cpp.LLAMA_KV_OVERRIDE_TYPE_STR
    notes[0].value.val_str = importance.dataset.encode()[:127]
    notes[1].key, notes[1].tag = b"quantize.imatrix.entries_count", llama_cpp.LLAMA_KV_OVERRIDE_TYPE_INT
    notes[1].value.val_i64 = len(importance.entries)
    notes[2].key, notes[2].tag = b"quantize.imatrix.chunks_count", llama_cpp.LLAMA_KV_OVERRIDE_TYPE_INT
    notes[2].value.val_i64 = importance.chunks
    return notes
