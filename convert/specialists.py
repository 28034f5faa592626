"""Adapters of single libraries, as LoRA on the expert that is shipped.

A specialist was trained on from the expert's own adapter, on the base; what is served has that one merged in. So what
is put on it is the difference of the two: side by side, with the expert's negated, at twice the rank. It is proven as
the expert is, before any bundle is sealed. Knows nothing about who picks a specialist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bundle.errors import ConvertError
from bundle.stage import Progress
from convert.adapter import read_adapter
from convert.extras import as_lora, write_lora
from convert.fidelity import prove_fidelity
from convert.passages import Passage


def check_specialists(adapter: Path, specialists: Mapping[str, Path]) -> None:
    """Refuse early what can't be put on an expert.

    Raises:
        ConvertError: an adapter is more than plain LoRA, or of another shape than the expert's.
    """
    for folder in specialists.values():
        _difference(adapter, folder)


def write_specialists(
    specialists: Mapping[str, Path],
    adapter: Path,
    unquantised: Path,
    base: Path,
    passages: Sequence[Passage],
    tokenizer: Any,
    name: str,
    dtype: str,
    out: Path,
    progress: Progress,
) -> dict[str, str]:
    """Write a GGUF file for each library into the folder `out`; returns their names by library.

    `specialists` are the adapters' folders, `adapter` is what `unquantised`, a GGUF file, has merged in.

    Raises:
        ConvertError: one can't be written, or the two together aren't what was trained.
    """
    files = {}
    for library, folder in specialists.items():
        path = out / f"{name}-{library}.gguf"
        work = unquantised.parent / f"specialist-{library}"
        work.mkdir()
        write_lora(work, _difference(adapter, folder), base, path, dtype, progress)
        if passages:
            try:
                prove_fidelity(unquantised, base, folder, passages, tokenizer, progress, lora=path)
            except ConvertError as error:
                raise ConvertError(f"the specialist for {library}: {error}") from None
        files[library] = path.name
    return files


def _difference(adapter: Path, specialist: Path) -> dict[str, Tensor]:
    """What a specialist adds to the model that has `adapter` merged in: B·A − B'·A' = [B, −B']·[A; A']."""
    ours, theirs = as_lora(read_adapter(adapter)), as_lora(read_adapter(specialist))
    if ours.keys() != theirs.keys():
        raise ConvertError(f"{specialist}: it changes other modules than the expert's adapter; train it anew")
    found = {}
    for key, tensor in theirs.items():
        # The inner dimension: A's rows and B's columns, of embeddings, too.
        of_b = "lora_B" in key or "lora_embedding_B" in key
        parts = (tensor, -ours[key] if of_b else ours[key])
        found[key] = torch.cat(parts, dim=1 if of_b else 0).contiguous()
    return found
