"""The tensors of a base folder's safetensors, read one by one: files are mapped into memory, never loaded.

Knows nothing about adapters. Where a checkpoint names a tensor otherwise than the module that it is loaded into,
transformers' own table tells which is which.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from bundle.errors import ConvertError
from convert.adapter import printable

INDEX = "model.safetensors.index.json"
_EMBEDDINGS = ("embed_tokens", "wte", "embed_in", "word_embeddings", "tok_embeddings")
HEADS = ("lm_head.weight", "embed_out.weight", "output.weight")
"""What models call the matrix that gives the logits; the second is GPT-NeoX's, the third InternLM's."""


@dataclass(frozen=True)
class Stored:
    """One tensor of a checkpoint."""

    name: str
    shape: tuple[int, ...]
    rows: Callable[[slice], Tensor]
    """Some of its rows, as a view of the mapped file."""


class Weights:
    """A base model's tensors by the names in its files, open within a `with` block."""

    def __init__(self, base: Path) -> None:
        """Raises ConvertError when the base is quantised, or can't be read."""
        self._base = base
        self._open = ExitStack()
        self._loaded_as: dict[str, tuple[str, bool]] | None = None
        try:
            config = json.loads((base / "config.json").read_text(encoding="utf-8"))
            if not isinstance(config, dict):
                raise ValueError("config.json is no table")
            files = _files(base)
            self.tensors = {stored.name: stored for file in files for stored in self._read(file)}
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            self._open.close()
            said = printable(str(error))
            raise ConvertError(f"{base}: the base model can't be loaded ({said}); fetch it anew") from None
        self.config: dict[str, Any] = config
        if config.get("quantization_config"):
            self._open.close()
            raise ConvertError(
                f"{base}: a quantised base can't be merged into, since its rounding errors would become the result's; "
                "name the unquantised model"
            )

    def __enter__(self) -> Weights:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def find(self, parameter: str) -> Stored | None:
        """The tensor that is loaded into a model's parameter, or None where the checkpoint has none.

        Raises:
            ConvertError: the checkpoint holds the parameter in another form, e.g. several in one.
        """
        if parameter in self.tensors:
            return self.tensors[parameter]
        if self._loaded_as is None:
            self._loaded_as = _renamed(self._base, list(self.tensors))
        name, reshaped = self._loaded_as.get(parameter, ("", False))
        if reshaped:
            raise ConvertError(
                f"{self._base}: {name} is stored in another form than {parameter} is trained in, which can't be merged "
                "yet; save the base anew with transformers, or train other modules"
            )
        return self.tensors.get(name)

    def embeddings(self) -> Stored | None:
        """The input embeddings' matrix, by the name that it goes by in all models at hand."""
        found = [one for one in self.tensors.values() if _module(one.name) in _EMBEDDINGS and len(one.shape) == 2]
        return found[0] if len(found) == 1 else None

    def head(self) -> str:
        """The name of the output matrix in the checkpoint, stored or not."""
        stored = next((name for name in self.tensors if name in HEADS or name.endswith(f".{HEADS[0]}")), None)
        return stored or HEADS[self.config.get("model_type") == "gpt_neox"]

    @property
    def tied(self) -> bool:
        """Whether the output matrix is the input embeddings' own."""
        text = self.config.get("text_config") or {}
        return self.head() not in self.tensors or bool(
            self.config.get("tie_word_embeddings", text.get("tie_word_embeddings", False))
        )

    def _read(self, file: Path) -> Iterator[Stored]:
        opened = self._open.enter_context(safe_open(file, framework="pt"))
        for name in opened.keys():  # noqa: SIM118  (not a mapping)
            piece = opened.get_slice(name)
            shape = tuple(piece.get_shape())
            # A scalar has no rows, and is small.
            rows = piece.__getitem__ if shape else lambda _, name=name: opened.get_tensor(name)
            yield Stored(name, shape, rows)


def _module(name: str) -> str:
    """The last part of the name of the module that a parameter belongs to."""
    return name.rpartition(".")[0].rpartition(".")[2]


def _files(base: Path) -> list[Path]:
    """The files of a checkpoint; others (a vendor's own format) may lie beside them."""
    if (base / INDEX).is_file():
        named = json.loads((base / INDEX).read_text(encoding="utf-8"))["weight_map"].values()
        return [base / name for name in dict.fromkeys(named)]
    if (base / "model.safetensors").is_file():
        return [base / "model.safetensors"]
    found = sorted(base.glob("*.safetensors"))
    if not found:
        raise ConvertError(f"{base}: no weights (*.safetensors) here; fetch the base model anew")
    return found


def _renamed(base: Path, stored: list[str]) -> dict[str, tuple[str, bool]]:
    """Parameter → the stored tensor that transformers loads into it, and whether it is reshaped on its way.

    The model is built without memory for its weights ("meta" device).
    """
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.conversion_mapping import get_model_conversion_mapping
    from transformers.core_model_loading import WeightConverter, WeightRenaming, rename_source_key

    try:
        with torch.device("meta"), contextlib.redirect_stderr(io.StringIO()):
            config = AutoConfig.from_pretrained(base, local_files_only=True)
            model = AutoModelForCausalLM.from_config(config)
        steps = get_model_conversion_mapping(model)
    except Exception as error:  # what a model that transformers doesn't know raises is anything at all
        raise ConvertError(f"{base}: the base model can't be read ({printable(str(error))}); fetch it anew") from None
    renamings = [step for step in steps if isinstance(step, WeightRenaming)]
    converters = [step for step in steps if isinstance(step, WeightConverter)]
    parameters = model.state_dict()
    found = {}
    for name in stored:
        parameter, pattern = rename_source_key(name, renamings, converters, model.base_model_prefix, parameters)
        found[parameter] = (name, pattern is not None)
    return found
