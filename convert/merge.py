"""Merges a LoRA adapter into its unquantised base: delta in float32, result in the number format that is asked for.

Tensor by tensor and some rows at a time, from the base's files to the result's, so that memory holds neither model. The
result is what PEFT's `merge_and_unload` makes of the base in float32. Knows nothing about GGUF, tokenizers or prompts,
and never touches the network.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from bundle.errors import ConvertError
from bundle.stage import Progress, silent
from convert.adapter import PREFIX, Adapter, Change, printable, read_adapter
from convert.deltas import add, in_one_piece, is_transposed
from convert.shards import SHARD_BYTES, Entry, ordered, write_shards
from convert.weights import HEADS, Stored, Weights

_CHUNK = 1 << 22
"""Numbers that are worked on at a time: 16 MB in float32."""


@dataclass(frozen=True)
class _Output:
    """One tensor of the result and how it comes about."""

    name: str
    source: Stored
    change: Change | None = None
    transposed: bool = False
    value: Tensor | None = None
    """What takes the place of the base's values, before `change`."""
    added: Tensor | None = None
    """What is added to a bias."""


def merge(
    base: Path, adapter: Path, out: Path, dtype: str, progress: Progress = silent, shard_bytes: int = SHARD_BYTES
) -> None:
    """Write the merged model's config.json and safetensors into `out`.

    Matrices are written in `dtype` (torch's name). Vectors stay float32, as llama.cpp's converter keeps them anyway.

    Raises:
        ConvertError: the base is quantised, the adapter is damaged or doesn't belong to this base, the sum isn't
            finite in `dtype`, or the disk is full.
    """
    found = read_adapter(adapter)
    out.mkdir(parents=True, exist_ok=True)
    with Weights(base) as weights:
        outputs, untied = _plan(weights, found)
        entries = {
            output.name: Entry(output.name, _dtype(output, getattr(torch, dtype)), output.source.shape)
            for output in outputs.values()
        }
        order = ordered(list(entries.values()), shard_bytes)
        parts = _parts([outputs[entry.name] for entry in order], entries, progress)
        try:
            write_shards(out, list(entries.values()), parts, shard_bytes)
        except OSError as error:
            said = printable(str(error))
            raise ConvertError(f"{out}: the merged model can't be written ({said}); free some space") from None
        config = dict(weights.config)
    config.pop("torch_dtype", None)
    config["dtype"] = dtype
    if untied:
        config["tie_word_embeddings"] = False
        if isinstance(config.get("text_config"), dict):
            config["text_config"] = {**config["text_config"], "tie_word_embeddings": False}
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _plan(weights: Weights, adapter: Adapter) -> tuple[dict[str, _Output], bool]:
    """Each tensor of the result by name, and whether embeddings that were tied no longer are."""
    outputs = {name: _Output(name, stored) for name, stored in weights.tensors.items()}
    embeddings = weights.embeddings() if weights.tied else None
    head = weights.head()

    def place(parameter: str, key: str) -> str:
        """The name of the result's tensor that a parameter is."""
        if embeddings and parameter in (head, *HEADS):
            # Whatever is stored for a tied head is not what the model was trained with.
            outputs.setdefault(head, _Output(head, embeddings))
            outputs[head] = replace(outputs[head], source=embeddings)
            return head
        stored = weights.find(parameter)
        if stored is None:
            raise adapter.misfit(f"no match for {key}")
        return stored.name

    for parameter, value in adapter.replaced.items():
        name = place(parameter, PREFIX + parameter)
        _fits(adapter, PREFIX + parameter, value.shape, outputs[name].source.shape)
        outputs[name] = replace(outputs[name], value=value)
    places = {change.module: place(f"{change.module}.weight", change.key) for change in adapter.changes.values()}
    transposed = _stores_transposed(adapter, {module: outputs[name] for module, name in places.items() if name != head})
    for module, change in adapter.changes.items():
        name = places[module]
        shape = outputs[name].source.shape
        turned = is_transposed(change, shape, transposed)
        if turned is None:
            _fits(adapter, change.key, (change.b.shape[0], change.a.shape[1]), shape)
        outputs[name] = replace(outputs[name], change=change, transposed=bool(turned))
        _check_lengths(adapter, change, outputs[name])
        if change.bias is not None:
            bias = place(f"{module}.bias", f"{PREFIX}{module}.lora_B.bias")
            outputs[bias] = replace(outputs[bias], added=change.bias * change.scale)
    _check_every_layer(weights, adapter, places)
    return outputs, _untie(outputs, embeddings, head, adapter)


def _stores_transposed(adapter: Adapter, outputs: dict[str, _Output]) -> bool:
    """Whether weights are stored as [inputs, outputs]: told by one that isn't square, else by the configuration.

    PEFT turns the configuration's flag over when it meets a layer of the other kind, so it tells little.
    """
    for module, output in outputs.items():
        change = adapter.changes[module]
        if not change.embedding and change.a.shape[1] != change.b.shape[0]:
            return bool(is_transposed(change, output.source.shape, False))
    return adapter.fan_in_fan_out


def _untie(outputs: dict[str, _Output], embeddings: Stored | None, head: str, adapter: Adapter) -> bool:
    """Give input and output embeddings their own weights if the adapter changes only one of two that are tied."""
    if not embeddings:
        return False
    changed = [
        name in outputs and (outputs[name].change is not None or outputs[name].value is not None)
        for name in (embeddings.name, head)
    ]
    if not any(changed) or (changed == [True, False] and adapter.keeps_tie):
        return False
    if not changed[1]:
        outputs[head] = _Output(head, embeddings)
    return True


def _fits(adapter: Adapter, key: str, shape: Sequence[int], wanted: Sequence[int]) -> None:
    if tuple(shape) != tuple(wanted):
        raise adapter.misfit(f"size mismatch for {key}: {list(shape)} in the adapter, {list(wanted)} in the base")


def _check_lengths(adapter: Adapter, change: Change, output: _Output) -> None:
    outputs = change.b.shape[0]
    for part, value in (("lora_magnitude_vector", change.magnitude), ("lora_B.bias", change.bias)):
        if value is not None:
            _fits(adapter, f"{PREFIX}{change.module}.{part}", value.shape, (outputs,))


def _check_every_layer(weights: Weights, adapter: Adapter, places: dict[str, str]) -> None:
    """Where modules are named without a choice of layers, all layers must have the change that one of them has."""
    if not adapter.every_layer:
        return
    changed = set(places.values())
    kinds = {re.sub(r"\.\d+\.", ".#.", name) for name in changed}
    for name in weights.tensors:
        if name not in changed and re.sub(r"\.\d+\.", ".#.", name) in kinds:
            raise adapter.misfit(f"no match for {name} in the adapter, though it changes other layers' like it")


def _dtype(output: _Output, dtype: torch.dtype) -> torch.dtype:
    """The number format of a tensor of the result; whole numbers stay as they are."""
    stored = output.source.rows(slice(0, 0)).dtype if output.source.shape else output.source.rows(slice(0)).dtype
    if not stored.is_floating_point:
        return stored
    return dtype if len(output.source.shape) > 1 else torch.float32


def _parts(outputs: Sequence[_Output], entries: dict[str, Entry], progress: Progress) -> Iterator[Tensor]:
    """The rows of each tensor in turn, merged, checked and in their number format."""
    total, done = sum(entry.bytes for entry in entries.values()) / 1e6, 0.0
    for output in outputs:
        entry = entries[output.name]
        for rows in _chunks(output):
            part = _merged(output, rows).to(entry.dtype)
            if part.is_floating_point() and not torch.isfinite(part).all():
                raise ConvertError(
                    f"{output.name}: not finite in {str(entry.dtype).removeprefix('torch.')} after merging; set "
                    "`convert.merge_dtype` to float32"
                )
            yield part
        done += entry.bytes / 1e6
        progress("Merging the adapter", done, total, "MB")


def _chunks(output: _Output) -> Iterator[slice]:
    shape = output.source.shape
    height = shape[0] if shape else 1
    step = max(1, _CHUNK // max(1, math.prod(shape[1:])))
    if output.change and in_one_piece(output.change, output.transposed):
        step = height
    for start in range(0, height, max(1, step)):
        yield slice(start, min(start + step, height))


def _merged(output: _Output, rows: slice) -> Tensor:
    whole = output.value
    values = output.source.rows(rows) if whole is None else whole[rows] if whole.ndim else whole
    if output.change is not None:
        values = add(values.to(torch.float32, copy=True), output.change, rows, output.transposed)
    if output.added is not None:
        values = values.float() + output.added.float()[rows]
    return values
