"""The base model: a GGUF file unpacked into a Hugging Face folder, and its prompt template."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import gguf
import llama_cpp
import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, PreTrainedTokenizerFast

from bundle.digests import digest_file
from bundle.errors import BaseModelError
from bundle.stage import silent
from bundle.template import REFERENCE_TEMPLATE
from trainer.base import ORIGIN, base_template, materialise_base

TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEXTS = (
    "<|im_start|>user\nsort a list<|im_end|>\n<|im_start|>assistant\n",
    "def norm(values):\n    return sum(v ** 2 for v in values) ** 0.5  # 12345\n\n\t\tpass",
    "🙂🎉 naïve e\u0301 漢字 ١٢٣٤ <|im_start |> <|nothing|>",
    "it's  we'll\r\n   x1234y   ",
)
WIDTH, LAYERS, HEADS = 64, 1, 4


def _trained_tokenizer() -> Tokenizer:
    """A byte-level BPE of the kind that llama.cpp calls `smollm`, whose merges alone would join digits."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*TEXTS[1:]] * 3 + ["123 ١٢٣ sort values list"] * 20, trainer)
    return tokenizer


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama as a GGUF file, its matrices in Q8_0."""
    path = tmp_path_factory.mktemp("source") / "tiny.gguf"
    model = json.loads(_trained_tokenizer().to_str())["model"]
    vocabulary = sorted(model["vocab"], key=model["vocab"].__getitem__)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_license("apache-2.0\x1b[31m")
    writer.add_block_count(LAYERS)
    writer.add_context_length(128)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(2 * WIDTH)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(vocabulary))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(vocabulary)
    control = dict.fromkeys(SPECIAL, gguf.TokenType.CONTROL)
    writer.add_token_types([control.get(token, gguf.TokenType.NORMAL) for token in vocabulary])
    writer.add_token_merges([" ".join(pair) for pair in model["merges"]])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)
    random = np.random.default_rng(0)
    shapes = {"token_embd": (len(vocabulary), WIDTH), "output_norm": (WIDTH,)}
    for layer in range(LAYERS):
        shapes |= {f"blk.{layer}.{name}": (WIDTH, WIDTH) for name in ("attn_q", "attn_k", "attn_v", "attn_output")}
        shapes |= {f"blk.{layer}.{name}": (2 * WIDTH, WIDTH) for name in ("ffn_gate", "ffn_up")}
        shapes |= {f"blk.{layer}.ffn_down": (WIDTH, 2 * WIDTH)}
        shapes |= {f"blk.{layer}.{name}": (WIDTH,) for name in ("attn_norm", "ffn_norm")}
    for name, shape in shapes.items():
        values = random.normal(size=shape).astype(np.float32)
        if len(shape) == 1:
            writer.add_tensor(f"{name}.weight", values)
        else:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(f"{name}.weight", gguf.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="module")
def base(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    materialise_base(source, folder, silent)
    return folder


@pytest.fixture(scope="module")
def llama(source: Path) -> Iterator[llama_cpp.Llama]:
    def without_amx() -> llama_cpp.llama_model_params:
        parameters = default()
        parameters.use_extra_bufts = False  # built by GCC 12 or older, llama.cpp's AMX code crashes at the first matrix
        return parameters

    default = llama_cpp.llama_model_default_params
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("llama_cpp.llama_cpp.llama_model_default_params", without_amx)
        yield llama_cpp.Llama(str(source), n_ctx=128, logits_all=True, verbose=False)


@pytest.mark.parametrize("text", TEXTS)
def test_the_tokens_are_llama_cpps(base: Path, llama: llama_cpp.Llama, text: str) -> None:
    ids = AutoTokenizer.from_pretrained(base)(text).input_ids
    assert ids == llama.tokenize(text.encode(), add_bos=True, special=True)


def test_the_weights_are_unquantised_and_predict_as_the_file_does(base: Path, llama: llama_cpp.Llama) -> None:
    model = AutoModelForCausalLM.from_pretrained(base)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert "quantization_config" not in json.loads((base / "config.json").read_text())
    tokens = AutoTokenizer.from_pretrained(base)(TEXTS[0]).input_ids
    llama.reset()
    llama.eval(tokens)
    with torch.no_grad():
        ours = model(torch.tensor([tokens])).logits[0].numpy()
    theirs = np.array(llama.scores[: len(tokens)])
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.995  # llama.cpp rounds activations to 8 bits


def test_what_surrounds_the_weights(base: Path, source: Path) -> None:
    generation = json.loads((base / "generation_config.json").read_text())
    assert (generation["bos_token_id"], generation["eos_token_id"]) == (1, 2)
    assert json.loads((base / ORIGIN).read_text()) == {
        "licence": "apache-2.0[31m",  # without the escape character
        "source": "tiny.gguf",
        "sha256": digest_file(source),
    }


def test_the_template_is_the_bases_own(base: Path) -> None:
    template = base_template(base, "Be brief.")
    assert template.source == TEMPLATE
    assert (template.bos_token, template.eos_token) == ("<|im_start|>", "<|im_end|>")
    assert template.end_of_turn == "<|im_end|>"
    assert template.render([{"role": "user", "content": "hi"}]).startswith("<|im_start|>system\nBe brief.<|im_end|>")


def test_a_base_without_a_template_gets_the_reference_one(tmp_path: Path) -> None:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=_trained_tokenizer(), eos_token="<|im_end|>")
    tokenizer.save_pretrained(tmp_path)
    LlamaConfig().save_pretrained(tmp_path)
    template = base_template(tmp_path, "")
    assert template.source == REFERENCE_TEMPLATE
    assert (template.bos_token, template.end_of_turn) == ("", "<|im_end|>")


@pytest.mark.parametrize("kept", [0, 3, 4000, -500], ids=["empty", "no magic", "half a header", "no last weights"])
def test_a_damaged_file_is_one_line(source: Path, tmp_path: Path, kept: int) -> None:
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(source.read_bytes()[:kept])
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(BaseModelError, match=r"damaged\.gguf: not a whole GGUF file") as caught:
        materialise_base(damaged, out, silent)
    assert "\n" not in str(caught.value)
    assert not list(out.iterdir())


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match="no such file"):
        materialise_base(tmp_path / "none.gguf", tmp_path, silent)


def test_a_tokenizer_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(BaseModelError, match="tokenizer can't be read") as caught:
        base_template(tmp_path, "")
    assert "\n" not in str(caught.value)


def test_a_disk_without_room_is_found_before_the_work(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(BaseModelError, match="0 MB are free"):
        materialise_base(source, tmp_path, silent)
