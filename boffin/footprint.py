"""How much memory a base model takes, to train an adapter for it and to serve it: arithmetic, before anything is there.

What a run really takes is what the preflight measures. Knows nothing about this machine.
"""

from __future__ import annotations

from boffin.catalogue import KnownBase
from trainer.recipe import Recipe

CONTEXT = 4096
"""Tokens of context that serving is reckoned with."""
K_BLOCK = 256
"""llama.cpp's K-types pack this many weights of a row together; a row that it doesn't divide gets another type."""


def training_bytes(base: KnownBase, recipe: Recipe, width: int = 2) -> int:
    """Memory to train an adapter by a recipe, in bytes; `width` is a number's, 2 on a card and 4 on a processor.

    Weights + adapter + activations:

    - weights: `width` a parameter; with NF4 and double quantisation 4.127 bits for those of the linear layers (4 bits
      and 0.127 of constants: Dettmers et al. 2023, QLoRA, section 3), while embeddings and norms keep `width`.
    - adapter: rank x (in + out) of each adapted layer, and for each 4 bytes of value, 4 of gradient and AdamW's two
      states of 4, or of 1 where the recipe's optimiser keeps them in 8 bits. PEFT holds adapters in float32.
    - activations: 34 x tokens x hidden bytes a layer at a width of 2 (Korthikanti et al. 2022, Reducing Activation
      Recomputation in Large Transformer Models, section 4.1, without the scores, which fused attention doesn't keep).
      With gradient checkpointing one layer's, and the input of each.

    Left out: logits (TRL projects in tiles), the libraries themselves and what the allocator can't use again.
    """
    linear = _linear_parameters(base)
    weights = base.parameters * width
    if recipe.quantise_base == "nf4":
        weights = int(linear * 4.127 / 8) + (base.parameters - linear) * width
    tokens = recipe.batch_size * recipe.sequence_length
    a_layer = 34 * tokens * base.hidden * width // 2
    activations = a_layer * base.layers
    if recipe.gradient_checkpointing:
        activations = a_layer + base.layers * tokens * base.hidden * width
    an_adapted = 4 + 4 + (2 if recipe.optimiser == "adamw_8bit" else 8)
    return weights + adapter_parameters(base, recipe) * an_adapted + activations


def adapter_parameters(base: KnownBase, recipe: Recipe) -> int:
    """How many parameters the recipe's adapter has on a base."""
    wanted = recipe.target_modules
    shapes = base.linear_shapes()
    adapted = [shape for name, shape in shapes.items() if wanted == "all-linear" or name in wanted]
    return recipe.rank * base.layers * sum(into + out for into, out in adapted)


def serving_bytes(base: KnownBase, quantisation: str, context: int = CONTEXT) -> int:
    """Memory to serve a quantised base, in bytes: its weights and one F16 key-value cache of `context` tokens.

    Bits a weight of Llama 3.1 8B, from llama.cpp's tools/quantize/README.md: 8.5008 for Q8_0, 4.8944 for Q4_K_M. Where
    256 doesn't divide the hidden size, llama.cpp gives Q4_K_M's linear layers Q5_0 (5.5 bits) and the embedding Q8_0.

    The cache: 2 (keys, values) x layers x key-value heads x head size x tokens x 2 bytes; Gemma's sliding layers need
    less than that.
    """
    embedding = base.vocabulary * base.hidden
    if quantisation == "Q8_0":
        bits = base.parameters * 8.5008
    elif base.hidden % K_BLOCK:
        bits = embedding * 8.5 + (base.parameters - embedding) * 5.5
    else:
        bits = base.parameters * 4.8944
    cache = 2 * base.layers * base.kv_heads * base.head_size * context * 2
    return int(bits / 8) + cache


def _linear_parameters(base: KnownBase) -> int:
    return base.layers * sum(into * out for into, out in base.linear_shapes().values())
