"""The base model as the stages read it: a Hugging Face folder with unquantised weights and its tokenizer.

A GGUF file is unpacked into float32 once; a folder that is one already is used as it is. Also makes the prompt
template from the base's tokenizer. Never touches the network, and knows nothing about adapters or records.
"""

from __future__ import annotations

import contextlib
import functools
import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import torch
from safetensors import SafetensorError
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer

from bundle.atomic import write_json
from bundle.digests import digest_file
from bundle.errors import BaseModelError
from bundle.stage import Progress
from bundle.template import REFERENCE_TEMPLATE, PromptTemplate

ORIGIN = "base.json"
"""Written beside an unpacked base: `licence`, `source` (the file's name) and `sha256` (of that file)."""

_REMEDY = "fetch the base model anew, or choose another with `project.base`"
_BYTES_PER_FLOAT32 = 4
_MAX_LICENCE = 200

_PRE_TOKENIZERS: dict[str, Any] = {
    # transformers reads a GGUF's merges but not the pattern that splits the text before them. This one takes each digit
    # alone: without it numbers outside ASCII get other tokens than llama.cpp gives them.
    "smollm": pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    ),
}


@dataclass(frozen=True)
class _Header:
    """What is needed of a GGUF file's metadata."""

    parameters: int
    licence: str
    pre_tokenizer: str


def materialise_base(source: Path, out: Path, progress: Progress) -> None:
    """Unpack a GGUF file into the empty folder `out`, as a Hugging Face folder in float32.

    The dequantisation is transformers' own. `out` gets config.json, model.safetensors, the tokenizer with its chat
    template, generation_config.json, and `ORIGIN`.

    Raises:
        BaseModelError: the source is missing, damaged, of an architecture that can't be read, or no model at all;
            or the disk has no room for it.
    """
    with _one_reader():
        _materialise(source, out, progress)


@contextmanager
def _one_reader() -> Iterator[None]:
    """Within this, a GGUF file is parsed once, and its tensors' names are mapped once: transformers parses it for the
    configuration, the tokenizer and the weights each, and maps for every module, which takes longer than all the rest.
    """
    parse, name = gguf.GGUFReader, gguf.get_tensor_name_map
    gguf.GGUFReader, gguf.get_tensor_name_map = functools.cache(parse), functools.cache(name)
    try:
        yield
    finally:
        gguf.GGUFReader, gguf.get_tensor_name_map = parse, name


def _materialise(source: Path, out: Path, progress: Progress) -> None:
    header = _read_header(source)
    room, need = shutil.disk_usage(out).free, header.parameters * _BYTES_PER_FLOAT32
    if room < need * 1.1:
        raise BaseModelError(
            f"{out}: unpacking {source.name} takes {need / 1e6:,.0f} MB, {room / 1e6:,.0f} MB are free; free some space"
        )
    progress(f"Unpacking {source.name} ({header.parameters / 1e6:,.0f} M parameters)")
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # progress bars that have no switch of their own
            model = AutoModelForCausalLM.from_pretrained(
                source.parent, gguf_file=source.name, dtype=torch.float32, local_files_only=True
            )
            tokenizer = gguf_tokenizer(source, header.pre_tokenizer)
    except Exception as error:  # what a damaged file raises is anything at all
        raise BaseModelError(f"{source}: can't be read as a model ({_one_line(error)}); {_REMEDY}") from None
    # The weights are plain now; what is left of the quantisation would forbid saving them.
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            model.save_pretrained(out)
    except SafetensorError as error:  # how safetensors tells a full disk
        raise BaseModelError(f"{out}: can't be written ({_one_line(error)}); free some space") from None
    tokenizer.save_pretrained(out)
    write_json(out / ORIGIN, {"licence": header.licence, "source": source.name, "sha256": digest_file(source)})


def gguf_tokenizer(source: Path, pre_tokenizer: str) -> Any:
    """The tokenizer in a GGUF file, as a transformers tokenizer that splits text as llama.cpp does.

    `pre_tokenizer` is the file's `tokenizer.ggml.pre`.
    """
    tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name, local_files_only=True)
    if pre_tokenizer in _PRE_TOKENIZERS:
        tokenizer.backend_tokenizer.pre_tokenizer = _PRE_TOKENIZERS[pre_tokenizer]
    return tokenizer


def base_template(base: Path, system_prompt: str) -> PromptTemplate:
    """The prompt template of a ready base: its own chat template, or the reference run's where it has none.

    Raises:
        BaseModelError: the tokenizer can't be read.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
        own = tokenizer.get_chat_template() if tokenizer.chat_template else REFERENCE_TEMPLATE
    except Exception as error:  # what a damaged tokenizer raises is anything at all
        raise BaseModelError(f"{base}: its tokenizer can't be read ({_one_line(error)}); {_REMEDY}") from None
    return PromptTemplate(
        source=own,
        bos_token=tokenizer.bos_token or "",
        eos_token=tokenizer.eos_token or "",
        system_prompt=system_prompt,
    )


def _read_header(source: Path) -> _Header:
    """Read a GGUF file's metadata; refuses what isn't one."""
    if not source.is_file():
        raise BaseModelError(f"{source}: no such file; {_REMEDY}")
    try:
        reader = gguf.GGUFReader(str(source))  # as transformers calls it: parsed once
        fields = {
            key: str(field.contents()) if (field := reader.get_field(key)) else ""
            for key in ("general.license", "tokenizer.ggml.pre")
        }
        parameters = sum(int(tensor.n_elements) for tensor in reader.tensors)
    except Exception as error:  # what a damaged file raises is anything at all
        raise BaseModelError(f"{source}: not a whole GGUF file ({_one_line(error)}); {_REMEDY}") from None
    if not parameters:
        raise BaseModelError(f"{source}: has no weights in it; {_REMEDY}")
    return _Header(parameters, _printable(fields["general.license"]), fields["tokenizer.ggml.pre"])


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())[:_MAX_LICENCE]


def _one_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return _printable(lines[0]) if lines else type(error).__name__
