"""What llama.cpp was built for and really loaded: the processor, and CUDA or Metal devices.

Knows nothing about models.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache

from appliance.engine import native_log
from appliance.engine.bindings import LIBRARIES, native

_GPU_KINDS = (1, 2)
"""ggml's numbers for devices with and without their own memory."""


_REMOTE = {"RPC"}
"""Back ends that have devices only when they are told of machines elsewhere."""


@dataclass(frozen=True)
class Device:
    """A device that llama.cpp can compute on."""

    name: str
    """ggml's name of it, e.g. `CUDA0`."""
    backend: str
    """The back end that drives it, e.g. `CUDA`."""
    description: str
    """The maker's name of it."""
    gpu: bool
    memory_total: int
    """Bytes."""
    memory_free: int
    """Bytes, at the time of asking."""


@cache
def start() -> None:
    """Start llama.cpp, once a process. Where its back ends are files of their own (GGML_BACKEND_DL), those that lie
    beside it are looked through, and the best that this machine can run is loaded: llama-cpp-python loads none.

    ggml's own search would look in the current folder, too, where anybody's library may lie.
    """
    native_log.silence()
    if not _count() and hasattr(native._lib, "ggml_backend_load_all_from_path"):
        _function("ggml_backend_load_all_from_path", None, ctypes.c_char_p)(str(LIBRARIES).encode())
    native.llama_backend_init()


def loaded_backends() -> list[Device]:
    """The devices of every back end that llama.cpp loaded; the processor is always among them."""
    start()
    get = _function("ggml_backend_dev_get", ctypes.c_void_p, ctypes.c_size_t)
    return [_device(get(index)) for index in range(_count())]


def idle_backends(devices: list[Device]) -> list[str]:
    """The back ends that llama.cpp was built with and that found no device, e.g. `CUDA` without a card."""
    count = _function("ggml_backend_reg_count", ctypes.c_size_t)()
    get = _function("ggml_backend_reg_get", ctypes.c_void_p, ctypes.c_size_t)
    names = [_text("ggml_backend_reg_name", get(index)) for index in range(count)]
    found = {device.backend for device in devices}
    return [name for name in names if name not in found | _REMOTE]


def computing_backend(devices: list[Device], gpu_layers: int) -> str:
    """The back end that computes a model's layers, e.g. `CUDA`, when `gpu_layers` of them are to be offloaded."""
    gpus = [device.backend for device in devices if device.gpu]
    return gpus[0] if gpus and gpu_layers != 0 else "CPU"


def _count() -> int:
    number: int = _function("ggml_backend_dev_count", ctypes.c_size_t)()
    return number


def _device(handle: int) -> Device:
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    memory = _function("ggml_backend_dev_memory", None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
    memory(handle, ctypes.byref(free), ctypes.byref(total))
    registry = _function("ggml_backend_dev_backend_reg", ctypes.c_void_p, ctypes.c_void_p)(handle)
    return Device(
        name=_text("ggml_backend_dev_name", handle),
        backend=_text("ggml_backend_reg_name", registry),
        description=_text("ggml_backend_dev_description", handle),
        gpu=_function("ggml_backend_dev_type", ctypes.c_int, ctypes.c_void_p)(handle) in _GPU_KINDS,
        memory_total=total.value,
        memory_free=free.value,
    )


def _text(function: str, handle: int) -> str:
    value: bytes | None = _function(function, ctypes.c_char_p, ctypes.c_void_p)(handle)
    return (value or b"").decode("utf-8", "replace").strip()


def _function(name: str, result: type | None, *arguments: type) -> ctypes._NamedFuncPointer:
    """A function of ggml's back end interface, which llama-cpp-python doesn't declare.

    As libllama sees it: its wheel carries ggml under several names, and one that is loaded by another name is another
    library, whose back ends libllama knows nothing of.
    """
    function = getattr(native._lib, name)
    function.restype = result
    function.argtypes = arguments
    return function
