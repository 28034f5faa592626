"""LoRA adapters as GGUF files, for the tests: random, and large enough to change every answer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from gguf import GGUFWriter

RANK = 4


def write_adapter(path: Path, seed: int, shapes: Mapping[str, tuple[int, int]]) -> Path:
    """Write an adapter of rank 4; `shapes` are inputs and outputs of the matrices that it changes, by their names."""
    writer = GGUFWriter(path, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 8.0)
    draw = np.random.default_rng(seed)
    for name, (inputs, outputs) in shapes.items():
        writer.add_tensor(f"{name}.lora_a", draw.normal(0, 1, (RANK, inputs)).astype(np.float32))
        writer.add_tensor(f"{name}.lora_b", draw.normal(0, 1, (outputs, RANK)).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
