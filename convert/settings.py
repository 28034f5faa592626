"""Convert's part of the settings."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bundle.settings import SettingsPart


class ConvertSettings(SettingsPart):
    """How the trained model is packed for llama.cpp."""

    merge_dtype: Literal["float32", "float16", "bfloat16"] = "float16"
    """Number format in which the adapter is merged and the unquantised GGUF is written."""
    quantisations: tuple[str, ...] = Field(default=("Q8_0",), min_length=1)
    """llama.cpp's names of the types to write, e.g. `Q4_K_M`; the first is served unless another is asked for."""
    also: tuple[Literal["safetensors", "lora", "ollama"], ...] = ()
    """Also in the bundle: `safetensors` (for vLLM and others), `lora` (the adapter as GGUF), `ollama` (a Modelfile)."""
