"""llama.cpp's functions as llama-cpp-python binds them, without the rest of its package.

The package imports its own chat formats, server types and more, which this engine has no use for and which takes longer
than to read the weights of a small model. So the package is there without that, and gets it when somebody asks it for
something that only the whole has. Knows nothing about models.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any


def _package() -> Path:
    """The package's folder; unless it was imported whole before, it is a module without contents."""
    if "llama_cpp" not in sys.modules:
        spec = find_spec("llama_cpp")
        if spec is None or spec.loader is None:
            raise ModuleNotFoundError("No module named 'llama_cpp'", name="llama_cpp")
        package, loader = module_from_spec(spec), spec.loader

        def whole(name: str) -> Any:
            if name.startswith("__"):  # what Python itself looks for
                raise AttributeError(name)
            del package.__dict__["__getattr__"]
            loader.exec_module(package)
            return getattr(package, name)

        package.__dict__["__getattr__"] = whole
        sys.modules["llama_cpp"] = package
    return Path(str(sys.modules["llama_cpp"].__file__)).parent


LIBRARIES = _package() / "lib"
"""The folder with llama.cpp's libraries."""

import llama_cpp.llama_cpp as native  # noqa: E402 - it looks for its package, which is there only now

__all__ = ["LIBRARIES", "native"]
