"""Merges a LoRA adapter into its unquantised base: delta in float32, result in the number format that is asked for.

Knows nothing about GGUF, tokenizers or prompts, and never touches the network.
"""

from __future__ import annotations

import contextlib
import io
import json
import warnings
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, GenerationConfig, PreTrainedModel

from bundle.errors import ConvertError

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"

_PREFIX = "base_model.model."
"""PEFT's prefix of each name in an adapter's weights."""


def merge(base: Path, adapter: Path, out: Path, dtype: str) -> None:
    """Write the merged model's config.json and safetensors into `out`.

    Matrices are written in `dtype` (torch's name). Vectors stay float32, as llama.cpp's converter keeps them anyway.

    Raises:
        ConvertError: the base is quantised, the adapter is damaged or doesn't belong to this base, or the sum isn't
            finite in `dtype`.
    """
    weights = _read_adapter(adapter)
    model = _load_base(base)
    _untie(model, weights)
    merged = _add(model, adapter, weights)
    for name, parameter in merged.named_parameters():
        if parameter.ndim > 1:
            parameter.data = parameter.data.to(getattr(torch, dtype))
        if not torch.isfinite(parameter.data).all():
            raise ConvertError(f"{name}: not finite in {dtype} after merging; set `convert.merge_dtype` to float32")
    # The base's own generation config goes beside these files unchanged; transformers would refuse to save some.
    merged.generation_config = GenerationConfig()
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # a progress bar that has no switch of its own
            merged.save_pretrained(out)
    except SafetensorError as error:  # how safetensors tells a full disk
        raise ConvertError(f"{out}: can't be written ({_first_line(error)}); free some space") from None
    (out / "generation_config.json").unlink(missing_ok=True)


def _read_adapter(adapter: Path) -> dict[str, Tensor]:
    """The adapter's tensors by name, all finite."""
    path = adapter / ADAPTER_WEIGHTS
    for wanted in (path, adapter / ADAPTER_CONFIG):
        if not wanted.is_file():
            raise ConvertError(f"{wanted}: missing from the adapter; run `boffin train` first")
    try:
        weights = load_file(path)
    except (SafetensorError, ValueError) as error:
        raise ConvertError(f"{path}: damaged ({_first_line(error)}); run `boffin build --force train`") from None
    if not weights:
        raise ConvertError(f"{path}: has no weights in it; run `boffin build --force train`")
    for name, tensor in weights.items():
        if not torch.isfinite(tensor).all():
            raise ConvertError(f"{path}: {name} has values that are no numbers; train with a lower learning rate")
    return weights


def _load_base(base: Path) -> PreTrainedModel:
    """The base in float32; a quantised one is refused, for its rounding errors would be merged into the result."""
    try:
        config = json.loads((base / "config.json").read_text(encoding="utf-8"))
        if config.get("quantization_config"):
            raise ConvertError(f"{base}: a quantised base can't be merged into; name the unquantised model")
        with contextlib.redirect_stderr(io.StringIO()):
            model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
                base, dtype=torch.float32, local_files_only=True
            )
    except ConvertError:
        raise
    except Exception as error:  # what a damaged model raises is anything at all
        raise ConvertError(f"{base}: the base model can't be loaded ({_first_line(error)}); fetch it anew") from None
    return model


def _untie(model: PreTrainedModel, weights: dict[str, Tensor]) -> None:
    """Give input and output embeddings their own weights if the adapter changes only one of two that are tied."""
    embeddings, head = model.get_input_embeddings(), model.get_output_embeddings()
    if head is None or head.weight is not embeddings.weight:
        return
    names = [name for name, module in model.named_modules() if module is embeddings or module is head]
    if any(key.startswith(f"{_PREFIX}{name}.") for key in weights for name in names):
        head.weight = nn.Parameter(head.weight.detach().clone())
        model.config.tie_word_embeddings = False


def _add(model: PreTrainedModel, adapter: Path, weights: dict[str, Tensor]) -> PreTrainedModel:
    """Put the adapter onto the base and merge it; every one of its tensors must have found its place."""
    # Imported here because it takes seconds; bitsandbytes remarks on a kernel that isn't used.
    with contextlib.redirect_stderr(io.StringIO()):
        from peft import PeftConfig, get_peft_model, set_peft_model_state_dict

    misfit = f"{adapter}: the adapter doesn't belong to this base model"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wrapped = get_peft_model(model, PeftConfig.from_pretrained(adapter, local_files_only=True))
            loaded = set_peft_model_state_dict(wrapped, weights)
            lost = [*loaded.unexpected_keys, *(key for key in loaded.missing_keys if "lora_" in key)]
            if lost:
                raise ConvertError(f"{misfit} (no match for {lost[0]}); train again on this base")
            merged: PreTrainedModel = wrapped.merge_and_unload(safe_merge=True)
    except (ValueError, RuntimeError, KeyError, TypeError) as error:
        raise ConvertError(f"{misfit} ({_first_line(error)}); train again on this base") from None
    return merged


def _first_line(error: Exception) -> str:
    """The most telling line of an error: torch puts a headline above the lines that say what differs."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    line = next((line for line in lines if "mismatch" in line), lines[0] if lines else type(error).__name__)
    return "".join(character for character in line if character.isprintable())[:300]
