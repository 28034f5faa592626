"""Fused layers: the same outputs and gradients as PEFT's own, and only where that holds."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config

from trainer.fusion import fuse

SIZES = {
    "vocab_size": 128,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.3,
}
IDS = torch.tensor([[3, 4, 5, 6, 7, 8], [9, 10, 11, 12, 13, 14]])
Make = Callable[..., PeftModel]


@pytest.fixture
def make() -> Make:
    """Makes a tiny model with an adapter that changes it, the same each time."""

    def made(kind: type = LlamaConfig, act: str = "silu", **lora: object) -> PeftModel:
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(kind(**SIZES, hidden_act=act))
        for name, parameter in model.named_parameters():
            if "bias" in name or "norm" in name:
                torch.nn.init.normal_(parameter)
        config: dict[str, object] = {"task_type": "CAUSAL_LM", "r": 4, "lora_alpha": 6, "target_modules": "all-linear"}
        adapted = get_peft_model(model, LoraConfig(**(config | lora)))
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.3)
        return adapted

    return made


def results(model: PeftModel) -> list[torch.Tensor]:
    """The logits and the gradient of each trained weight."""
    logits = model(input_ids=IDS).logits
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [logits, *torch.autograd.grad(logits.logsumexp(-1).sin().sum(), trained)]


@pytest.mark.parametrize("kind", [LlamaConfig, Qwen2Config])  # Qwen 2 has biases
@pytest.mark.parametrize("lora", [{}, {"target_modules": ["q_proj", "v_proj"]}, {"target_modules": ["down_proj"]}])
def test_outputs_and_gradients_are_the_same(make: Make, kind: type, lora: dict[str, object]) -> None:
    model = make(kind, **lora)
    expected = results(model)
    layers = 7 if not lora else len(lora["target_modules"])  # type: ignore[arg-type]
    blocks = 0 if lora else 1
    assert fuse(model) == 2 * (layers + blocks + 2) + 1
    for found, wanted in zip(results(model), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_they_are_the_same_when_activations_are_computed_again(make: Make) -> None:
    model = make()
    expected = results(model)
    fuse(model)
    model.get_base_model().gradient_checkpointing_enable({"use_reentrant": False})
    model.train()
    for found, wanted in zip(results(model), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("lora", [{"lora_dropout": 0.1}, {"use_dora": True}, {"lora_bias": True}])
def test_what_is_more_than_plain_lora_stays(make: Make, lora: dict[str, object]) -> None:
    model = make(**lora)
    model.eval()
    expected = results(model)
    assert fuse(model) == 5  # the norms
    for found, wanted in zip(results(model), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_another_activation_stays(make: Make) -> None:
    model = make(act="gelu")
    expected = results(model)
    assert fuse(model) == 2 * (7 + 2) + 1
    for found, wanted in zip(results(model), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_other_number_formats_stay(make: Make) -> None:
    assert fuse(make().to(torch.bfloat16)) == 0


@torch.no_grad()
def test_the_adapter_can_still_be_turned_off_and_merged(make: Make) -> None:
    model = make()
    with model.disable_adapter():
        base = model(input_ids=IDS).logits
    adapted = model(input_ids=IDS).logits
    fuse(model)
    with model.disable_adapter():
        torch.testing.assert_close(model(input_ids=IDS).logits, base)
    model.merge_adapter()
    torch.testing.assert_close(model(input_ids=IDS).logits, adapted, rtol=1e-4, atol=1e-4)
