"""Finds llama.cpp's own converter, of the very revision that serves the model.

`scripts/install_llama.py` unpacks it from the source package that the runtime was built from. Knows nothing about
models.
"""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

from bundle.errors import ConvertError

SCRIPT = "convert_hf_to_gguf.py"
LORA_SCRIPT = "convert_lora_to_gguf.py"


def llama_version() -> str:
    """The installed version of llama-cpp-python.

    Raises:
        ConvertError: it is not installed.
    """
    try:
        return importlib.metadata.version("llama-cpp-python")
    except importlib.metadata.PackageNotFoundError:
        raise ConvertError(f"llama-cpp-python is not installed in {sys.prefix}; run `make setup`") from None


def converter_script() -> Path:
    """The path of `convert_hf_to_gguf.py`; its `gguf-py` and `conversion` folders lie beside it.

    Raises:
        ConvertError: the converter of the installed revision is missing.
    """
    return _script(SCRIPT)


def lora_script() -> Path:
    """The path of `convert_lora_to_gguf.py`, of the same revision.

    Raises:
        ConvertError: it is missing.
    """
    return _script(LORA_SCRIPT)


def _script(name: str) -> Path:
    version = llama_version()
    script = Path(sys.prefix) / "share" / "boffin" / f"llama.cpp-{version}" / name
    if not script.is_file():
        raise ConvertError(f"{script}: llama.cpp's converter of revision {version} is missing; run `make setup`")
    return script
