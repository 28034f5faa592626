"""ggml's tensors as llama.cpp hands them to its evaluation callback: names, shapes and values.

The structure is mirrored from ggml.h of the revision that llama-cpp-python carries. A mirror that doesn't fit
would read anything at all, so what it reads is compared with what ggml's own functions say. Knows nothing about models.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from llama_cpp._ggml import libggml

from bundle.errors import ConvertError

MUL_MAT = "MUL_MAT"
_F32 = 0
"""GGML_TYPE_F32 in ggml.h."""
_DIMENSIONS, _SOURCES, _NAME, _PARAMETERS = 4, 10, 64, 64
"""GGML_MAX_DIMS, GGML_MAX_SRC, GGML_MAX_NAME, GGML_MAX_OP_PARAMS."""
_OBJECT = 32
"""Bytes of ggml's own bookkeeping that `ggml_tensor_overhead` counts beside the structure."""


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("buffer", ctypes.c_void_p),
        ("ne", ctypes.c_int64 * _DIMENSIONS),
        ("nb", ctypes.c_size_t * _DIMENSIONS),
        ("op", ctypes.c_int),
        ("op_params", ctypes.c_int32 * (_PARAMETERS // 4)),
        ("flags", ctypes.c_int32),
        ("src", ctypes.c_void_p * _SOURCES),
        ("view_src", ctypes.c_void_p),
        ("view_offs", ctypes.c_size_t),
        ("data", ctypes.c_void_p),
        ("name", ctypes.c_char * _NAME),
        ("extra", ctypes.c_void_p),
        ("padding", ctypes.c_char * 8),
    )


class Tensor:
    """A tensor of a graph that is being computed; valid only within the callback."""

    def __init__(self, address: int) -> None:
        """`address` is what the callback got."""
        self._address = address
        self._fields = _Tensor.from_address(address)

    @property
    def operation(self) -> str:
        """What it is the result of, e.g. `MUL_MAT`."""
        return _operation(self._fields.op)

    @property
    def name(self) -> str:
        """Its name, without what the scheduler puts around it (`CUDA0#blk.0.attn_k.weight#0`)."""
        text: str = self._fields.name.decode("utf-8", errors="replace")
        return text.split("#")[1] if "#" in text else text

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of elements of each dimension; the first lies side by side in memory."""
        return tuple(self._fields.ne)

    @property
    def is_float32(self) -> bool:
        """Whether its values are 32-bit floats."""
        return bool(self._fields.type == _F32)

    def source(self, index: int) -> Tensor:
        """One of the tensors that it is computed from."""
        return Tensor(self._fields.src[index])

    def rows(self) -> npt.NDArray[np.float32]:
        """The values of a float32 tensor, shape (rows, first dimension); copied, from a GPU's memory too."""
        size = _function("ggml_nbytes", ctypes.c_size_t, ctypes.c_void_p)(self._address)
        buffer = np.empty(size, dtype=np.uint8)
        get = _function("ggml_backend_tensor_get", None, *[ctypes.c_void_p] * 2, *[ctypes.c_size_t] * 2)
        get(self._address, buffer.ctypes.data, 0, size)
        strided: npt.NDArray[np.float32] = np.ndarray(
            self.shape[::-1], dtype=np.float32, buffer=buffer, strides=tuple(self._fields.nb)[::-1]
        )
        return strided.reshape(-1, self.shape[0])

    def check(self) -> None:
        """Compare the mirror with ggml's own functions.

        Raises:
            ConvertError: they differ, so this revision of llama.cpp lays tensors out otherwise.
        """
        overhead = _function("ggml_tensor_overhead", ctypes.c_size_t)()
        said = _function("ggml_get_name", ctypes.c_char_p, ctypes.c_void_p)(self._address)
        elements = _function("ggml_nelements", ctypes.c_int64, ctypes.c_void_p)(self._address)
        type_name = _function("ggml_type_name", ctypes.c_char_p, ctypes.c_int)(_F32)
        fits = (
            overhead == ctypes.sizeof(_Tensor) + _OBJECT
            and said == self._fields.name
            and elements == int(np.prod(self.shape))
            and type_name == b"f32"
        )
        if not fits:
            raise ConvertError(
                "the installed llama.cpp lays out its tensors otherwise than Boffin knows, so no importance matrix can "
                "be computed; set `convert.importance_bits` to 0, or install the version in constraints.txt"
            )


@cache
def _operation(number: int) -> str:
    name: bytes | None = _function("ggml_op_name", ctypes.c_char_p, ctypes.c_int)(number)
    return (name or b"").decode()


@cache
def _function(name: str, result: type | None, *arguments: type) -> Any:
    """A function of ggml that llama-cpp-python doesn't declare."""
    function = getattr(libggml, name)
    function.restype = result
    function.argtypes = arguments
    return function
