"""What a GGUF file says about itself: name, version, base model, dataset, and how its numbers came about.

llama.cpp's quantiser carries all of it over into the files that it writes. The licence, the chat template and the end
tokens are taken by the converter from the folder that it reads. Knows nothing about tensors.
"""

from __future__ import annotations

import re
from typing import Any

_VERSION = 12
"""Digits of a digest that make a version."""


def metadata(
    name: str,
    base_model: str,
    base_revision: str,
    dataset_digest: str,
    adapter_digest: str,
    dtype: str,
    llama_cpp: str,
) -> dict[str, Any]:
    """The values of the converter's `--metadata` file, by llama.cpp's names.

    The version is the adapter's digest (of a base model its revision), shortened, so that the same inputs make the
    same file.
    """
    base: dict[str, str] = {"name": base_model}
    if hub := re.fullmatch(r"([\w.-]+)/[\w.-]+", base_model):
        base |= {"organization": hub[1], "repo_url": f"https://huggingface.co/{base_model}"}
    if base_revision:
        base["version"] = base_revision
    about: dict[str, Any] = {
        "general.name": name,
        "general.basename": name,
        "general.base_models": [base],
        "general.quantized_by": "Boffin",
        "general.description": (
            f"{base_model} with an adapter merged in {dtype}" if adapter_digest else f"{base_model} in {dtype}"
        )
        + f"; converted and quantised by llama.cpp (llama-cpp-python {llama_cpp})",
    }
    if version := (adapter_digest or base_revision)[:_VERSION]:
        about["general.version"] = version
    if dataset_digest:
        about["general.datasets"] = [{"name": f"{name} dataset", "version": dataset_digest}]
    return about
