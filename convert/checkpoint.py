"""The Hugging Face folder that llama.cpp's converter reads: weights, the base's tokenizer, the trained prompt template.

The base's files are linked, not copied. Knows nothing about adapters or GGUF.
"""

from __future__ import annotations

import json
from pathlib import Path

from bundle.errors import ConvertError
from bundle.template import PromptTemplate

CHAT_TEMPLATE = "chat_template.jinja"
_TOKENIZER_CONFIG = "tokenizer_config.json"
_WEIGHTS = (".safetensors", ".safetensors.index.json")
_LEFT_OUT = {CHAT_TEMPLATE, "chat_template.json", "README.md", _TOKENIZER_CONFIG}
"""Files of a base that are written anew."""
_OTHER_WEIGHTS = {".bin", ".pt", ".pth", ".gguf", ".h5", ".msgpack", ".onnx"}


def dress(folder: Path, base: Path, template: PromptTemplate, licence: str) -> None:
    """Complete `folder`, which holds a merged model or nothing, with the base's files and the prompt template.

    A model card with the licence is written because that is where the converter takes it from.

    Raises:
        ConvertError: the base has no readable tokenizer configuration.
    """
    merged = (folder / "config.json").exists()
    for file in sorted(base.iterdir()):
        weights = file.name.endswith(_WEIGHTS)
        if not file.is_file() or file.name in _LEFT_OUT or file.suffix in _OTHER_WEIGHTS or (merged and weights):
            continue
        target = folder / file.name
        if not target.exists():
            target.symlink_to(file.resolve())
    (folder / CHAT_TEMPLATE).write_text(template.source, encoding="utf-8", newline="")
    (folder / _TOKENIZER_CONFIG).write_text(json.dumps(_tokenizer_config(base)), encoding="utf-8")
    (folder / "README.md").write_text(f"---\nlicense: {json.dumps(licence)}\n---\n", encoding="utf-8")


def _tokenizer_config(base: Path) -> dict[str, object]:
    """The base's tokenizer configuration without a chat template, which would go before the trained one."""
    path = base / _TOKENIZER_CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConvertError(f"{path}: can't be read ({error}); fetch the base model anew") from None
    if not isinstance(config, dict):
        raise ConvertError(f"{path}: not a tokenizer configuration; fetch the base model anew")
    config.pop("chat_template", None)
    return config
