"""Every architecture that we promise: a tiny model of it is converted, and llama.cpp gives the logits that it had.

The weights are random, biases and norms too, so that a tensor in the wrong place shows. The converter knows a BPE
tokenizer by the ids that it gives, so some models have the pocket model's; the others have a small SentencePiece one
that is made here, which converts faster, and which the converter takes for all of these.
"""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentencepiece
import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma3TextConfig,
    GemmaTokenizer,
    LlamaConfig,
    LlamaTokenizer,
    MistralConfig,
    Phi3Config,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
    SmolLM3Config,
)

from bundle.stage import silent
from bundle.template import REFERENCE_TEMPLATE, PromptTemplate
from convert.checkpoint import dress
from convert.gguf import convert_to_gguf
from convert.vocabulary import Vocabulary

from .runtime import logits_of

BPE, PIECES = 49152, 640
SIZES: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.2,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
}
SCALED = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
"""Llama 3.1's and 3.2's rope scaling, of a context that the test's text is longer than."""

GEMMA = {"head_dim": 32, "query_pre_attn_scalar": 32, "sliding_window": 16, "num_hidden_layers": 6}
CONFIGS: dict[str, PreTrainedConfig] = {
    "Llama 3": LlamaConfig(**SIZES, vocab_size=BPE, rope_parameters=SCALED, tie_word_embeddings=False),
    "Llama 3.2": LlamaConfig(**SIZES, vocab_size=PIECES, rope_parameters=SCALED, head_dim=32, tie_word_embeddings=True),
    "Mistral": MistralConfig(**SIZES, vocab_size=PIECES, sliding_window=None),
    "Qwen 2.5": Qwen2Config(**SIZES, vocab_size=PIECES, tie_word_embeddings=True),
    "Qwen 3": Qwen3Config(**SIZES, vocab_size=BPE, head_dim=32, tie_word_embeddings=True),
    "Gemma 3": Gemma3TextConfig(**SIZES | GEMMA, vocab_size=PIECES),
    "SmolLM2": LlamaConfig(**SIZES, vocab_size=BPE, tie_word_embeddings=True),
    "SmolLM3": SmolLM3Config(**SIZES | {"num_hidden_layers": 4}, vocab_size=PIECES),
    "Phi-3": Phi3Config(**SIZES, vocab_size=PIECES, original_max_position_embeddings=256),
}
TEXT = (
    "The stages never import each other; they meet through the files above or over HTTP. def run(x):\n"
    "    return x + 12\nA record's side is a hash of its symbol, so it never changes as the corpus grows."
)
ROOT = Path(__file__).parent.parent.parent


@dataclass
class Converted:
    """A tiny model as transformers has it, and as a GGUF file."""

    folder: Path
    file: Path
    failed: Exception | None = field(default=None)


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders with small SentencePiece tokenizers, as Mistral and Phi-3 have them and as Gemma has them."""
    lines = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").splitlines()
    kinds: dict[str, tuple[Any, dict[str, Any]]] = {
        "llama": (LlamaTokenizer, {"unk_id": 0, "bos_id": 1, "eos_id": 2, "pad_id": -1, "add_dummy_prefix": True}),
        "gemma": (
            GemmaTokenizer,
            {"pad_id": 0, "eos_id": 1, "bos_id": 2, "unk_id": 3, "add_dummy_prefix": False}
            | {"pad_piece": "<pad>", "eos_piece": "<eos>", "bos_piece": "<bos>"},
        ),
    }
    made = {}
    for kind, (tokenizer, ids) in kinds.items():
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=model,
            model_type="bpe",
            vocab_size=600,
            byte_fallback=True,
            character_coverage=1.0,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            split_digits=True,
            allow_whitespace_only_pieces=True,
            num_threads=1,
            minloglevel=2,
            **ids,
        )
        source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp(kind)
        for place in (source, folder):
            (place / "tokenizer.model").write_bytes(model.getvalue())
        tokenizer.from_pretrained(source).save_pretrained(folder)
        made[kind] = folder
    return made


@pytest.fixture(scope="module")
def converted(
    pieces: dict[str, Path], tokenizer_files: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Converted]:
    """All models, made here and converted two at a time: most of a conversion is the start of its process."""
    made = {}
    for name, config in CONFIGS.items():
        torch.manual_seed(1)
        folder, out = tmp_path_factory.mktemp("base"), tmp_path_factory.mktemp("gguf")
        model = AutoModelForCausalLM.from_config(config)
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.data += 0.2 * torch.randn_like(parameter)
        model.save_pretrained(folder)
        kind = "gemma" if name.startswith("Gemma") else "llama"
        for file in pieces[kind].iterdir() if config.vocab_size == PIECES else tokenizer_files:
            (folder / file.name).write_bytes(file.read_bytes())
        made[name] = Converted(folder, out / "tiny.gguf")

    def convert(model: Converted) -> None:
        dressed = model.file.parent / "dressed"
        dressed.mkdir()
        try:
            dress(dressed, model.folder, PromptTemplate(source=REFERENCE_TEMPLATE), "mit")
            convert_to_gguf(dressed, model.file, "float32", "tiny", "org/tiny", silent)
        except Exception as error:
            model.failed = error

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(convert, made.values()))
    return made


def _tokens(folder: Path) -> list[int]:
    # AutoTokenizer would give a Qwen model its own way of splitting text, whatever its file says.
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    return list(tokenizer(TEXT, add_special_tokens=False).input_ids)


def _logits(folder: Path, tokens: list[int], **changes: Any) -> np.ndarray:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager", **changes)
    with torch.no_grad():
        return np.array(model(torch.tensor([tokens])).logits[0])


@pytest.mark.parametrize("name", CONFIGS)
def test_llama_cpp_gives_the_models_own_logits(converted: dict[str, Converted], name: str) -> None:
    model = converted[name]
    assert model.failed is None, model.failed
    tokens = _tokens(model.folder)
    assert 33 < len(tokens) < 250
    with Vocabulary(model.file) as vocabulary:
        assert vocabulary.tokens(TEXT) == tokens
        assert vocabulary.chat_template == REFERENCE_TEMPLATE
    expected, found = _logits(model.folder, tokens), logits_of(model.file, tokens)
    assert np.abs(found - expected).max() < 0.05 * expected.std()
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.95


@pytest.mark.parametrize("name", ["Llama 3", "Llama 3.2"])
def test_the_rope_scaling_matters_to_these_logits(converted: dict[str, Converted], name: str) -> None:
    """Otherwise the test above would pass without it."""
    folder = converted[name].folder
    tokens = _tokens(folder)
    plain = _logits(folder, tokens, rope_parameters={"rope_type": "default", "rope_theta": 500000.0})
    expected = _logits(folder, tokens)
    assert np.abs(plain - expected).max() > 0.2 * expected.std()
