"""Merging every kind of adapter: bit for bit what PEFT's own `merge_and_unload` makes of the base in float32."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    Gemma3Config,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    PreTrainedModel,
    Qwen2Config,
)

from bundle.errors import ConvertError
from convert.merge import merge

SIZES = {"vocab_size": 96, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
LAYERS = [*ATTENTION, "gate_proj", "up_proj", "down_proj"]


def _llama(**changes: Any) -> LlamaConfig:
    return LlamaConfig(**SIZES | {"num_key_value_heads": 2, "tie_word_embeddings": True} | changes)


def _gemma() -> Gemma3Config:
    """With a picture tower: its files name the text model's tensors otherwise than its modules are named."""
    text = SIZES | {"num_key_value_heads": 1, "head_dim": 8, "sliding_window": 16}
    vision = {key: SIZES[key] for key in ("hidden_size", "intermediate_size", "num_attention_heads")}
    vision |= {"num_hidden_layers": 1, "image_size": 8, "patch_size": 4}
    return Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4, image_token_index=90)


GPT2 = GPT2Config(vocab_size=96, n_embd=32, n_layer=2, n_head=4, n_positions=32)
NEOX = GPTNeoXConfig(**SIZES, max_position_embeddings=32)

KINDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "LoRA": (_llama(), {"target_modules": LAYERS}),
    "rsLoRA": (_llama(), {"target_modules": LAYERS, "use_rslora": True}),
    "DoRA": (_llama(), {"target_modules": LAYERS, "use_dora": True}),
    "patterns": (
        _llama(),
        {
            "target_modules": LAYERS,
            "rank_pattern": {"q_proj": 2, r"layers\.1\.mlp\.down_proj": 7},
            "alpha_pattern": {"layers.0.self_attn.k_proj": 3, "up_proj": 32},
            "use_rslora": True,
        },
    ),
    "one layer of two": (_llama(), {"target_modules": LAYERS, "layers_to_transform": [1]}),
    "trained biases": (Qwen2Config(**SIZES, num_key_value_heads=2), {"target_modules": ATTENTION, "bias": "all"}),
    "biases of LoRA": (_llama(attention_bias=True), {"target_modules": ATTENTION, "lora_bias": True}),
    "a whole head": (_llama(tie_word_embeddings=False), {"target_modules": ATTENTION, "modules_to_save": ["lm_head"]}),
    "a whole norm": (_llama(), {"target_modules": ATTENTION, "modules_to_save": ["input_layernorm"]}),
    "whole embeddings of a tied model": (_llama(), {"target_modules": ATTENTION, "modules_to_save": ["embed_tokens"]}),
    "a whole head of a tied model": (_llama(), {"target_modules": ATTENTION, "modules_to_save": ["lm_head"]}),
    "head of a tied model": (_llama(), {"target_modules": ["q_proj", "lm_head"]}),
    "embeddings of a tied model": (_llama(), {"target_modules": ["q_proj", "embed_tokens"]}),
    "embeddings and head": (
        _llama(tie_word_embeddings=False),
        {"target_modules": ["embed_tokens", "lm_head"], "use_dora": True},
    ),
    "fan-in-fan-out": (GPT2, {"target_modules": ["c_attn", "c_proj", "c_fc"], "fan_in_fan_out": True}),
    "fan-in-fan-out and a head": (GPT2, {"target_modules": ["c_attn", "c_proj", "lm_head"]}),
    "fan-in-fan-out with DoRA": (
        GPT2,
        {"target_modules": ["c_attn", "c_proj"], "fan_in_fan_out": True} | {"use_dora": True},
    ),
    "another name for the head": (NEOX, {"target_modules": ["query_key_value", "embed_out", "lm_head"]}),
    "renamed tensors": (_gemma(), {"target_modules": ATTENTION}),
}


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., tuple[Path, Path, dict[str, torch.Tensor]]]:
    """Makes a base, an adapter for it whose every part has an effect, and PEFT's merged parameters."""

    def make(config: Any, lora: dict[str, Any]) -> tuple[Path, Path, dict[str, torch.Tensor]]:
        torch.manual_seed(1)
        base, adapter = tmp_path / "base", tmp_path / "adapter"
        AutoModelForCausalLM.from_config(config).save_pretrained(base)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wrapped = get_peft_model(_load(base), LoraConfig(r=4, lora_alpha=8, **lora))
            for name, parameter in wrapped.named_parameters():
                trained = "lora_" in name or "modules_to_save" in name or parameter.requires_grad
                if trained and "magnitude" not in name:
                    parameter.data += torch.randn_like(parameter) * 0.3
                elif trained:
                    parameter.data *= 1 + 0.1 * torch.rand_like(parameter)
            wrapped.save_pretrained(adapter)
            plain = _load(base)
            _untie(plain, lora["target_modules"])
            merged = PeftModel.from_pretrained(plain, adapter).merge_and_unload(safe_merge=True)
        return base, adapter, merged.state_dict()

    return make


def _load(folder: Path) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def _untie(model: PreTrainedModel, targets: list[str]) -> None:
    """PEFT would put what was trained into one of two tied matrices into both of them."""
    head = model.get_output_embeddings()
    if {"embed_tokens", "lm_head"} & set(targets) and head.weight is model.get_input_embeddings().weight:
        head.weight = nn.Parameter(head.weight.detach().clone())
        model.config.tie_word_embeddings = False


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_bit_for_bit_what_peft_merges(made: Callable[..., Any], tmp_path: Path, kind: str) -> None:
    base, adapter, expected = made(*KINDS[kind])
    untrained = _load(base).state_dict()
    assert any(not torch.equal(expected[name], value) for name, value in untrained.items())
    for dtype in ("float32", "float16", "bfloat16"):
        out = tmp_path / dtype
        merge(base, adapter, out, dtype)
        found = _load(out).state_dict()
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            rounded = value.to(getattr(torch, dtype)).float() if value.ndim > 1 else value
            assert torch.equal(found[name], rounded), f"{name} in {dtype}"


def test_a_checkpoint_without_its_models_prefix_is_read(made: Callable[..., Any], tmp_path: Path) -> None:
    """GPT-2's files on the hub name `h.0.…` what transformers loads as `transformer.h.0.…`."""
    base, adapter, expected = made(*KINDS["fan-in-fan-out"])
    path = base / "model.safetensors"
    short = {name.removeprefix("transformer."): value for name, value in load_file(path).items()}
    save_file(short, path, {"format": "pt"})
    out = tmp_path / "merged"
    merge(base, adapter, out, "float32")
    assert load_file(out / "model.safetensors").keys() == short.keys()
    assert all(torch.equal(value, expected[name]) for name, value in _load(out).state_dict().items())


def test_shards_come_and_go(made: Callable[..., Any], tmp_path: Path) -> None:
    base, adapter, expected = made(*KINDS["LoRA"])
    out = tmp_path / "merged"
    merge(base, adapter, out, "float32", shard_bytes=9_000)
    index = json.loads((out / "model.safetensors.index.json").read_text())
    files = sorted(out.glob("*.safetensors"))
    assert len(files) > 3 and {file.name for file in files} == set(index["weight_map"].values())
    assert all(file.stat().st_size < 15_000 for file in files)
    again = tmp_path / "again"
    merge(out, adapter, again, "float32")  # shards are read, too
    found = _load(out).state_dict()
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    first = "model.layers.0.self_attn.q_proj.weight"
    twice = load_file(again / "model.safetensors")[first]
    assert not torch.equal(twice, expected[first])


def test_many_chunks_make_the_same_tensor(
    made: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convert.merge._CHUNK", 100)
    for number, kind in enumerate(("LoRA", "DoRA", "embeddings and head", "fan-in-fan-out with DoRA")):
        base, adapter, expected = made(*KINDS[kind])
        out = tmp_path / str(number)
        merge(base, adapter, out, "float32")
        for name, value in _load(out).state_dict().items():
            torch.testing.assert_close(value, expected[name], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"peft_type": "LOHA"}, "LOHA adapters can't be merged"),
        ({"init_lora_weights": "pissa"}, "the base was changed before training"),
        ({"trainable_token_indices": [1]}, "`trainable_token_indices` can't be merged"),
        ({"alora_invocation_tokens": [1]}, "`alora_invocation_tokens` can't be merged"),
        ({"r": "many"}, r"adapter_config\.json: damaged at r"),
        ({"r": 5}, "size mismatch: its rank is 4"),
        ({"use_dora": True}, r"no match for .*lora_magnitude_vector"),
    ],
)
def test_a_configuration_that_means_something_else_is_refused(
    made: Callable[..., Any], tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    base, adapter, _ = made(*KINDS["LoRA"])
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps(config | change))
    with pytest.raises(ConvertError, match=says) as caught:
        merge(base, adapter, tmp_path, "float32")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("rename", "says"),
    [
        (lambda name: None if "layers.1.self_attn.q_proj" in name else name, r"no match for .*layers\.1.*q_proj"),
        (lambda name: name.replace("lora_A.weight", "lora_arrow.weight"), "can't merge .*lora_arrow"),
        (lambda name: name.replace("o_proj.lora_A.weight", "other.bias"), r"no match for .*other\.bias"),
    ],
    ids=["a layer without its change", "an unknown part", "a parameter that the base lacks"],
)
def test_every_tensor_must_find_its_place(
    made: Callable[..., Any], tmp_path: Path, rename: Callable[[str], str | None], says: str
) -> None:
    base, adapter, _ = made(*KINDS["LoRA"])
    path = adapter / "adapter_model.safetensors"
    weights = {new: value for name, value in load_file(path).items() if (new := rename(name))}
    if any("other" in name for name in weights):
        weights = {name: value for name, value in weights.items() if "o_proj" not in name}
    save_file(weights, path)
    with pytest.raises(ConvertError, match=says) as caught:
        merge(base, adapter, tmp_path, "float32")
    assert "\n" not in str(caught.value)


def test_a_full_disk_is_one_line(made: Callable[..., Any], tmp_path: Path) -> None:
    import resource
    import signal

    base, adapter, _ = made(*KINDS["LoRA"])
    out = tmp_path / "merged"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(ConvertError, match=r"can't be written .* free some space") as caught:
            merge(base, adapter, out, "float32")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert "\n" not in str(caught.value)
