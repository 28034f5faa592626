"""Runs llama.cpp's own converter on a Hugging Face folder. Knows nothing about quantisation, adapters or prompts."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import deque
from pathlib import Path

from bundle.errors import ConvertError
from bundle.stage import Progress
from convert.llama_source import converter_script

OUTTYPES = {"float32": "f32", "float16": "f16", "bfloat16": "bf16"}
"""The converter's name of each `convert.merge_dtype`; in capitals it is llama.cpp's name of the file's type."""

_WRITING = re.compile(r"^Writing:\s+(\d+)%")


def convert_to_gguf(folder: Path, out: Path, dtype: str, name: str, base_model: str, progress: Progress) -> None:
    """Write the model in `folder` to the GGUF file `out`, its matrices in `dtype`.

    Raises:
        ConvertError: the converter is missing, or refuses the model; the text is its last line.
    """
    metadata = out.with_suffix(".metadata.json")
    about = {"general.name": name, "general.basename": name, "general.base_models": [{"name": base_model}]}
    metadata.write_text(json.dumps(about), encoding="utf-8")
    command = [sys.executable, str(converter_script()), str(folder), "--outfile", str(out)]
    command += ["--outtype", OUTTYPES[dtype], "--metadata", str(metadata)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "PYTHONIOENCODING": "utf-8"}
    environment.pop("NO_LOCAL_GGUF", None)
    what = f"Converting {name} to GGUF ({OUTTYPES[dtype].upper()})"
    progress(what)
    said: deque[str] = deque(maxlen=20)
    with subprocess.Popen(
        command,
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
    if process.returncode or not out.is_file():
        last = "".join(character for character in (said[-1] if said else "") if character.isprintable())[:300]
        raise ConvertError(
            f"{base_model}: llama.cpp's converter can't take this model ({last or f'exit code {process.returncode}'}); "
            "choose another base model"
        )
