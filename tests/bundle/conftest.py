"""A small bundle with a real GGUF file in it, sealed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFWriter

from bundle.manifest import Manifest, ModelFile, seal
from bundle.template import PromptTemplate

TEMPLATE = "{{ messages[0].content }}"


def write_gguf(path: Path, template: str = TEMPLATE, megabytes: int = 0) -> None:
    """Write a GGUF file with a vocabulary, a template and two tensors; incompressible ones where it is to be large."""
    writer = GGUFWriter(path, "llama")
    writer.add_chat_template(template)
    writer.add_token_list([f"token {number}" for number in range(300)])
    writer.add_token_scores([0.5] * 300)
    draw = np.random.default_rng(7)
    writer.add_tensor("odd", draw.integers(0, 255, size=(3, 7), dtype=np.uint8).astype(np.float32))
    writer.add_tensor("even", draw.integers(0, 255, size=(1 + megabytes, 1 << 18), dtype=np.uint8).view(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def seal_bundle(folder: Path, template: str = TEMPLATE) -> Manifest:
    """Seal a folder whose GGUF files are there."""
    prompt = PromptTemplate(source=template)
    return seal(
        folder,
        Manifest(
            name="pocket",
            base_model="package:x",
            template=prompt,
            template_digest=prompt.digest,
            llama_cpp="0",
            licences={"base": "apache-2.0", "numpy": "BSD-3-Clause"},
            models=[
                ModelFile(file=path.name, quantisation=path.stem.partition("-")[2], bytes=path.stat().st_size)
                for path in sorted(folder.glob("*.gguf"))
            ],
        ),
    )


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    (folder / "notes").mkdir(parents=True)
    write_gguf(folder / "pocket-Q8_0.gguf")
    (folder / "symbols.json").write_text('{"packages": {}}')
    (folder / "notes" / "quality.txt").write_text("measured")
    seal_bundle(folder)
    return folder
