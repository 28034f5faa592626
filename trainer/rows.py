"""A batch without padding, in which what all its prompts begin with is computed once.

The records lie behind one another in one row. The template's and the system prompt's tokens are the same in each, and
nothing that follows changes what a causal model makes of them, so that they stand there once, at the row's head; their
gradient is the sum over the records, as it would be. Only attention looks at each record alone: it gathers the records
from the row and puts what it made of them back. Knows nothing about adapters or losses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from trainer.encoding import IGNORED

ATTENTION = "boffin_rows"
"""The name of the attention that understands rows; without them it is SDPA."""
_PLAIN = ("llama", "qwen2", "qwen3", "smollm3")
"""Types of model in which tokens meet in causal attention alone, none of it through a window."""


@dataclass(frozen=True)
class Rows:
    """A batch of `records` records, all padded to `width` tokens, as one row of `n` tokens."""

    ids: torch.Tensor
    """1 × n"""
    positions: torch.Tensor
    """1 × n: each token's place in its record."""
    targets: torch.Tensor
    """1 × n: the label of the token after each, or `IGNORED`."""
    places: torch.Tensor
    """records · width: where in the row each token of the batch is; that of padding is any."""
    kept: torch.Tensor
    """n: where in the batch each token of the row is."""
    records: int
    width: int

    @classmethod
    def of(cls, ids: torch.Tensor, mask: torch.Tensor, targets: torch.Tensor) -> Rows:
        """From a batch that is padded on the right; all three are records × width."""
        records, width = ids.shape
        kept = mask.bool()
        # No further than the first target: that of a shared position would be one for several records.
        shared = (ids == ids[:1]).all(0) & kept.all(0) & (targets == IGNORED).all(0)
        begin = int(shared.long().cumprod(0).sum())
        kept[1:, :begin] = False
        places = kept.new_zeros(ids.shape, dtype=torch.long)
        places[kept] = torch.arange(int(kept.sum()))
        places[1:, :begin] = places[0, :begin]
        positions = torch.arange(width).expand(records, -1)
        taken = (ids[kept][None], positions[kept][None], targets[kept][None])
        return cls(*taken, places.flatten(), kept.flatten().nonzero()[:, 0], records, width)

    def spread(self, states: torch.Tensor) -> torch.Tensor:
        """From 1 × heads × n × size to records × heads × width × size."""
        rows = states[0].transpose(0, 1).index_select(0, self.places)
        return rows.unflatten(0, (self.records, self.width)).transpose(1, 2)

    def gather(self, states: torch.Tensor) -> torch.Tensor:
        """From records × width × heads × size to 1 × n × heads × size."""
        return states.flatten(0, 1).index_select(0, self.kept)[None]


def attend_in_rows(model: PreTrainedModel) -> bool:
    """Give a model the attention that understands `Rows`; returns whether it is one that can have it.

    It can't where a batch's shape or a shared token's noise would matter: with dropout in attention, say.
    """
    config = model.config
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    plain = config.model_type in _PLAIN and config._attn_implementation == "sdpa" and kinds == {"full_attention"}
    if plain and not getattr(config, "attention_dropout", 0.0):
        model.set_attn_implementation(ATTENTION)
        return True
    return False


def _attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    rows: Rows | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """SDPA's, on each record of `rows`: what pads a record comes after it, so that causality hides it."""
    if rows is None:
        made: tuple[torch.Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
        return made
    spread = (rows.spread(states) for states in (query, key, value))
    output, _ = sdpa_attention_forward(module, *spread, None, **options)
    return rows.gather(output), None


AttentionInterface.register(ATTENTION, _attention)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)
