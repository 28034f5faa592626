"""Convert's part of the settings."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bundle.settings import SettingsPart


class ConvertSettings(SettingsPart):
    """How the trained model is packed for llama.cpp."""

    merge_dtype: Literal["float32", "float16", "bfloat16"] = "float16"
    """Number format in which the adapter is merged and the unquantised GGUF is written."""
    quantisations: tuple[str, ...] = Field(default=("Q8_0", "Q4_K_M"), min_length=1)
    """llama.cpp's names of the types to make, e.g. `Q4_K_M`; the fastest that is good enough is served."""
    keep: Literal["all"] | tuple[str, ...] = "all"
    """Which of them stay in the bundle beside the one that is served: `all`, or a list of their names."""
    loss_rise: float = Field(default=0.02, ge=0)
    """By how much a type that is served may raise the held-out loss, as a share of the unquantised model's."""
    held_out_records: int = Field(default=128, ge=1)
    """Held-out records, drawn with a seed, on which the bundle is proven to be the trained model."""
    measured_records: int = Field(default=128, ge=0)
    """How many of those the quantisations are measured on; 0 measures none."""
    free_answers: int = Field(default=16, ge=0)
    """How many held-out questions the served file answers by itself, to see whether its answers end."""
    importance_bits: int = Field(default=6, ge=0)
    """Types of fewer bits than this are quantised with an importance matrix of the training records; 0 for none."""
    importance_tokens: int = Field(default=32768, ge=512)
    """Tokens of training records that the importance matrix is computed on."""
    also: tuple[Literal["safetensors", "lora", "ollama"], ...] = ()
    """Also in the bundle: `safetensors` (for vLLM and others), `lora` (the adapter as GGUF), `ollama` (a Modelfile)."""
