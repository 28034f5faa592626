"""A LoRA adapter as PEFT saves it: what it adds to which module, and which parameters it replaces.

LoRA, rsLoRA and DoRA on linear layers and embeddings, with ranks and alphas by pattern, trained biases and whole
modules (`modules_to_save`). Every tensor is put to its module or named in an error. Knows nothing about the base.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from bundle.errors import ConvertError

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"

PREFIX = "base_model.model."
"""PEFT's prefix of each name in an adapter's weights."""

_RETRAIN = "run `boffin build --force train`"
_PARTS = {
    ".lora_A.weight": "a",
    ".lora_B.weight": "b",
    ".lora_B.bias": "bias",
    ".lora_embedding_A": "a",
    ".lora_embedding_B": "b",
    ".lora_magnitude_vector": "magnitude",
    ".lora_magnitude_vector.weight": "magnitude",
}
_OTHER_KINDS = (
    "alora_invocation_tokens",
    "arrow_config",
    "kasa_config",
    "layer_replication",
    "monteclora_config",
    "target_parameters",
    "trainable_token_indices",
    "use_bdlora",
    "use_qalora",
    "velora_config",
)
"""What PEFT's LoRA can be beside plain LoRA and DoRA; merging those as LoRA would give another model."""
_PLAIN_STARTS = ("true", "false", "gaussian", "eva", "orthogonal", "none")
"""Ways of giving an adapter its first values that leave the base as it is; PiSSA, OLoRA, LoftQ … change it."""


class _Config(BaseModel):
    """What is needed of adapter_config.json."""

    model_config = ConfigDict(extra="allow")

    peft_type: str
    r: int = 8
    lora_alpha: float = 8
    use_rslora: bool = False
    use_dora: bool = False
    fan_in_fan_out: bool = False
    rank_pattern: dict[str, int] | None = None
    alpha_pattern: dict[str, float] | None = None
    target_modules: list[str] | str | None = None
    exclude_modules: list[str] | str | None = None
    layers_to_transform: list[int] | int | None = None
    init_lora_weights: bool | str | None = True
    ensure_weight_tying: bool = False


@dataclass(frozen=True)
class Change:
    """What an adapter does to one module: its weight W becomes W + scale · BA, with DoRA rescaled to `magnitude`."""

    module: str
    a: Tensor
    """[rank, inputs]; of an embedding [rank, vocabulary]."""
    b: Tensor
    """[outputs, rank]."""
    scale: float
    embedding: bool = False
    magnitude: Tensor | None = None
    """DoRA's lengths, one an output."""
    bias: Tensor | None = None
    """What is added to the module's bias, once multiplied with `scale`."""

    @property
    def key(self) -> str:
        """The name of its first tensor in the adapter's file."""
        return f"{PREFIX}{self.module}." + ("lora_embedding_A" if self.embedding else "lora_A.weight")


@dataclass(frozen=True)
class Adapter:
    """An adapter, read and checked."""

    folder: Path
    changes: dict[str, Change]
    """By module."""
    replaced: dict[str, Tensor]
    """Parameter → the value that takes the place of the base's: of `modules_to_save`, and of trained biases."""
    fan_in_fan_out: bool = False
    """Whether the configuration says that weights are stored as [inputs, outputs]."""
    every_layer: bool = False
    """Whether the modules are named without a choice of layers, so that each layer must have its change."""
    keeps_tie: bool = False
    """Whether it was trained so that tied embeddings stay tied."""
    config: dict[str, Any] = field(default_factory=dict)
    """adapter_config.json."""

    def misfit(self, why: str) -> ConvertError:
        """The error that this adapter isn't one of the base at hand."""
        return ConvertError(
            f"{self.folder}: the adapter doesn't belong to this base model ({why}); train again on this base"
        )


def read_adapter(folder: Path) -> Adapter:
    """Read an adapter.

    Raises:
        ConvertError: it is missing, damaged, not finite, half of a change is missing, or it is of a kind that can't be
            merged.
    """
    for wanted in (folder / ADAPTER_WEIGHTS, folder / ADAPTER_CONFIG):
        if not wanted.is_file():
            raise ConvertError(f"{wanted}: missing from the adapter; run `boffin train` first")
    config = _read_config(folder / ADAPTER_CONFIG)
    parts: dict[str, dict[str, Tensor]] = {}
    embeddings: set[str] = set()
    replaced = {}
    for key, tensor in _read_weights(folder / ADAPTER_WEIGHTS).items():
        name = key.removeprefix(PREFIX)
        suffix = next((suffix for suffix in _PARTS if name.endswith(suffix)), None)
        if suffix:
            module = name.removesuffix(suffix)
            parts.setdefault(module, {})[_PARTS[suffix]] = tensor
            if "lora_embedding" in suffix:
                embeddings.add(module)
        elif ".lora_" in name:
            raise ConvertError(f"{folder}: can't merge {key} (not a part of LoRA or DoRA on a layer); {_RETRAIN}")
        else:
            replaced[name.replace(".base_layer.", ".").replace(".modules_to_save.", ".")] = tensor
    _check_halves(folder, parts)
    scale = _scales(config)
    adapter = Adapter(
        folder,
        {module: _change(folder, module, found, scale, module in embeddings) for module, found in parts.items()},
        replaced,
        config.fan_in_fan_out,
        isinstance(config.target_modules, list) and config.layers_to_transform is None and not config.exclude_modules,
        config.ensure_weight_tying,
        config.model_dump(),
    )
    for change in adapter.changes.values():
        if config.use_dora and change.magnitude is None:
            raise adapter.misfit(f"no match for {PREFIX}{change.module}.lora_magnitude_vector")
    return adapter


def _check_halves(folder: Path, parts: dict[str, dict[str, Tensor]]) -> None:
    """Each A must have its B: where a name was mangled, neither half has its other one."""
    lonely = [
        f"{PREFIX}{module} ({', '.join(found)})" for module, found in parts.items() if not {"a", "b"} <= set(found)
    ]
    if lonely:
        raise ConvertError(
            f"{folder}: damaged (no match for the only half of {' and of '.join(lonely[:3])}); {_RETRAIN}"
        )


def _change(
    folder: Path, module: str, found: dict[str, Tensor], scale: Callable[[str, int], float], embedding: bool
) -> Change:
    a, b = found["a"], found["b"]
    if a.ndim != 2 or b.ndim != 2 or a.shape[0] != b.shape[1]:
        raise ConvertError(
            f"{folder}: can't merge {PREFIX}{module} (halves of {list(a.shape)} and {list(b.shape)}: no linear layer)"
        )
    magnitude = found["magnitude"].flatten() if "magnitude" in found else None
    return Change(module, a, b, scale(module, a.shape[0]), embedding, magnitude, found.get("bias"))


def _scales(config: _Config) -> Callable[[str, int], float]:
    """LoRA's scale of a module with a rank: alpha / rank, or of rsLoRA alpha / √rank."""

    def scale(module: str, rank: int) -> float:
        alpha = _by_pattern(config.alpha_pattern, module, config.lora_alpha)
        meant = _by_pattern(config.rank_pattern, module, config.r)
        if rank != meant:
            raise ConvertError(
                f"{PREFIX}{module}: size mismatch: its rank is {rank} in {ADAPTER_WEIGHTS} and {meant:g} in "
                f"{ADAPTER_CONFIG}; {_RETRAIN}"
            )
        return alpha / (math.sqrt(rank) if config.use_rslora else rank)

    return scale


def _by_pattern(patterns: dict[str, Any] | None, module: str, default: float) -> float:
    """The value of the first pattern that matches the end of a module's name, as PEFT picks it."""
    for pattern, value in (patterns or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            return float(value)
    return default


def _read_config(path: Path) -> _Config:
    try:
        config = _Config.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConvertError(f"{path}: damaged at {where or 'its start'} ({first['msg']}); {_RETRAIN}") from None
    if config.peft_type != "LORA":
        raise ConvertError(f"{path}: {config.peft_type} adapters can't be merged here; train with LoRA or DoRA")
    extra = config.model_extra or {}
    for kind in _OTHER_KINDS:
        if extra.get(kind):
            raise ConvertError(f"{path}: `{kind}` can't be merged here; train with LoRA, rsLoRA or DoRA")
    if str(config.init_lora_weights).lower() not in _PLAIN_STARTS:
        raise ConvertError(
            f"{path}: with `init_lora_weights` {config.init_lora_weights!r} the base was changed before training, so "
            "that the adapter doesn't fit the published one; convert it to plain LoRA with PEFT"
        )
    return config


def _read_weights(path: Path) -> dict[str, Tensor]:
    """The adapter's tensors by name, all finite."""
    try:
        weights = load_file(path)
    except (SafetensorError, ValueError) as error:
        raise ConvertError(f"{path}: damaged ({printable(str(error))}); {_RETRAIN}") from None
    if not weights:
        raise ConvertError(f"{path}: has no weights in it; {_RETRAIN}")
    for name, tensor in weights.items():
        if not torch.isfinite(tensor).all():
            raise ConvertError(f"{path}: {name} has values that are no numbers; train with a lower learning rate")
    return weights


def printable(text: str) -> str:
    """An error's text as one line of at most 300 characters."""
    return "".join(character for character in text if character.isprintable())[:300]
