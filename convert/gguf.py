"""Runs llama.cpp's own converters on Hugging Face folders. Knows nothing about quantisation, merging or prompts."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bundle.errors import ConvertError
from bundle.stage import Progress
from convert.llama_source import converter_script, lora_script

OUTTYPES = {"float32": "f32", "float16": "f16", "bfloat16": "bf16"}
"""The converter's name of each `convert.merge_dtype`; in capitals it is llama.cpp's name of the file's type."""

_WRITING = re.compile(r"^Writing:\s+(\d+)%")


def convert_to_gguf(
    folder: Path,
    out: Path,
    dtype: str,
    name: str,
    base_model: str,
    progress: Progress,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write the model in `folder` to the GGUF file `out`, its matrices in `dtype`.

    `about` is what the file says about itself, by llama.cpp's names; without it, its name and its base's.

    Raises:
        ConvertError: the converter is missing, or refuses the model; the text is its last line.
    """
    metadata = out.with_suffix(".metadata.json")
    about = about or {"general.name": name, "general.basename": name, "general.base_models": [{"name": base_model}]}
    metadata.write_text(json.dumps(about), encoding="utf-8")
    command = [str(converter_script()), str(folder), "--outfile", str(out)]
    command += ["--outtype", OUTTYPES[dtype], "--metadata", str(metadata)]
    said = _run(command, f"Converting {name} to GGUF ({OUTTYPES[dtype].upper()})", progress)
    if said is not None or not out.is_file():
        raise ConvertError(
            f"{base_model}: llama.cpp's converter can't take this model ({said or 'nothing was written'}); "
            "choose another base model"
        )


def convert_lora_to_gguf(adapter: Path, base: Path, out: Path, dtype: str, progress: Progress) -> None:
    """Write the PEFT adapter in the folder `adapter` to the GGUF file `out`; `base` tells only the architecture.

    Raises:
        ConvertError: the converter is missing, or refuses the adapter; the text is its last line.
    """
    command = [str(lora_script()), str(adapter), "--base", str(base), "--outfile", str(out)]
    said = _run([*command, "--outtype", OUTTYPES[dtype]], "Converting the adapter to GGUF", progress)
    if said is not None or not out.is_file():
        raise ConvertError(
            f"{out.name}: llama.cpp's converter can't take this adapter ({said or 'nothing was written'}); "
            "leave `lora` out of `convert.also`"
        )


def _run(command: list[str], what: str, progress: Progress) -> str | None:
    """Run a script of llama.cpp's; its last line where it failed, else None."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "PYTHONIOENCODING": "utf-8"}
    environment.pop("NO_LOCAL_GGUF", None)
    progress(what)
    said: deque[str] = deque(maxlen=20)
    with subprocess.Popen(
        [sys.executable, *command],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:  # the converter's progress bar ends its lines with \r, which counts as a line's end
            if written := _WRITING.match(line):
                progress(what, int(written[1]), 100, "%")
            elif line.strip():
                said.append(line.strip())
    if not process.returncode:
        return None
    last = "".join(character for character in (said[-1] if said else "") if character.isprintable())[:300]
    return last or f"exit code {process.returncode}"
