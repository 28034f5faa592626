"""What a bundle may hold beside its GGUF files, on request: merged safetensors, the adapter alone, an Ollama Modelfile.

Knows nothing about how the GGUF files are made.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from bundle.errors import ConvertError
from bundle.stage import Progress
from bundle.template import PromptTemplate
from convert.adapter import ADAPTER_CONFIG, ADAPTER_WEIGHTS, PREFIX, Adapter, read_adapter
from convert.gguf import convert_lora_to_gguf
from convert.ollama import MODELFILE, known_form, modelfile
from convert.vocabulary import Vocabulary

SAFETENSORS, LORA, OLLAMA = "safetensors", "lora", "ollama"


def check_extras(also: Sequence[str], adapter: Path | None, template: PromptTemplate) -> None:
    """Refuse early what can't be written for this adapter and this template; a base model's own bundle gets nothing.

    Raises:
        ConvertError: names what can't be written, and why.
    """
    if adapter and LORA in also:
        as_lora(read_adapter(adapter))
    if adapter and OLLAMA in also:
        known_form(template)


def write_extras(
    also: Sequence[str],
    model: Path,
    base: Path,
    adapter: Path | None,
    template: PromptTemplate,
    gguf: Path,
    name: str,
    dtype: str,
    progress: Progress,
) -> None:
    """Write into the folder of `gguf`, the bundle's default file, what is asked for.

    `model` is the merged Hugging Face folder, complete; it is moved away where it becomes a part of the bundle.

    Raises:
        ConvertError: one of them can't be written.
    """
    out = gguf.parent
    if adapter is None:
        return
    if LORA in also:
        folder = model.parent / "lora"
        folder.mkdir()
        write_lora(folder, as_lora(read_adapter(adapter)), base, out / f"{name}-lora.gguf", dtype, progress)
    if OLLAMA in also:
        with Vocabulary(gguf) as vocabulary:
            text = modelfile(template, gguf.name, vocabulary.adds_start)
        (out / MODELFILE).write_text(text, encoding="utf-8", newline="")
    if SAFETENSORS in also:
        progress("Keeping the merged safetensors")
        model.rename(out / SAFETENSORS)
        for file in sorted((out / SAFETENSORS).iterdir()):
            if file.is_symlink():
                source = file.resolve()
                file.unlink()
                shutil.copyfile(source, file)


def write_lora(
    folder: Path, tensors: Mapping[str, Tensor], base: Path, out: Path, dtype: str, progress: Progress
) -> None:
    """Write plain LoRA as a GGUF file, by way of the empty folder `folder`.

    Raises:
        ConvertError: llama.cpp's converter refuses it.
    """
    # An alpha of 0 says in llama.cpp that the matrices are to be taken as they are.
    (folder / ADAPTER_CONFIG).write_text(json.dumps({"peft_type": "LORA", "lora_alpha": 0}), encoding="utf-8")
    save_file(dict(tensors), folder / ADAPTER_WEIGHTS)
    convert_lora_to_gguf(folder, base, out, dtype, progress)


def as_lora(adapter: Adapter) -> dict[str, Tensor]:
    """An adapter as plain LoRA, by PEFT's names: each scale is a part of its B, since GGUF knows only one.

    Raises:
        ConvertError: it is more than that.
    """
    copies = {f"{change.module}.weight" for change in adapter.changes.values()}
    for parameter in adapter.replaced:
        if parameter not in copies:  # PEFT saves adapted embeddings' own weights, which the base has, too
            raise ConvertError(_no_lora(adapter, f"it replaces {parameter} as a whole"))
    tensors: dict[str, Tensor] = {}
    for change in adapter.changes.values():
        if change.magnitude is not None or change.bias is not None:
            kind = "DoRA" if change.magnitude is not None else "a bias"
            raise ConvertError(_no_lora(adapter, f"{change.module} has {kind}"))
        names = ("lora_embedding_A", "lora_embedding_B") if change.embedding else ("lora_A.weight", "lora_B.weight")
        tensors[f"{PREFIX}{change.module}.{names[0]}"] = change.a.float().contiguous()
        tensors[f"{PREFIX}{change.module}.{names[1]}"] = (change.b.float() * change.scale).contiguous()
    return tensors


def _no_lora(adapter: Adapter, why: str) -> str:
    return (
        f"{adapter.folder}: no GGUF LoRA can be made of this adapter ({why}); leave `lora` out of `convert.also` and "
        "`trainer.specialists` empty"
    )
