"""The loss in tiles: the same as the whole, and so is its gradient."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, Gemma2Config, LlamaConfig

from trainer import loss as tiles
from trainer.loss import plain_head, projected_loss, taken_off


@pytest.mark.parametrize("count", [1, 256, 600])
def test_it_is_the_whole_losss_sum_and_gradient(count: int) -> None:
    assert tiles._TILE == 256
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(count, 16, generator=generator, requires_grad=True)
    weight = torch.randn(301, 16, generator=generator)
    labels = torch.randint(0, 301, (count,), generator=generator)
    whole = cross_entropy(states @ weight.t(), labels, reduction="sum") / 7
    (expected,) = torch.autograd.grad(whole, states)
    tiled = projected_loss(states, weight, labels) / 7
    (found,) = torch.autograd.grad(tiled, states)
    torch.testing.assert_close(tiled, whole)
    torch.testing.assert_close(found, expected)


def test_without_gradients_it_is_the_loss_alone() -> None:
    states, weight, labels = torch.randn(5, 4), torch.randn(9, 4), torch.tensor([0, 8, 3, 3, 1])
    with torch.no_grad():
        found = projected_loss(states, weight, labels)
    torch.testing.assert_close(found, cross_entropy(states @ weight.t(), labels, reduction="sum"))


def test_only_a_head_whose_output_is_the_logits_is_taken_off() -> None:
    sizes = {
        "vocab_size": 64,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 8,
    }
    ids = torch.tensor([[3, 4, 5]])
    llama = AutoModelForCausalLM.from_config(LlamaConfig(**sizes)).requires_grad_(False)
    head = plain_head(llama)
    assert head is llama.lm_head
    logits = llama(input_ids=ids).logits
    with taken_off(head):
        states = llama(input_ids=ids).logits
    assert states.shape == (1, 3, 16)
    torch.testing.assert_close(head(states), logits)
    torch.testing.assert_close(llama(input_ids=ids).logits, logits)

    capped = AutoModelForCausalLM.from_config(Gemma2Config(**sizes)).requires_grad_(False)
    assert plain_head(capped) is None
    assert plain_head(llama.requires_grad_(True)) is None
