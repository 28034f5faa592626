"""llama.cpp's sampler chain of one answer: repetition penalty, top-k, top-p, temperature, draw.

Knows nothing about requests or slots.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any

import llama_cpp.llama_cpp as native

from appliance.engine.request import SamplingParams

PENALISED = 64
"""How many of the last tokens, prompt and answer together, the repetition penalty looks at."""
TOP_K = 40
"""How many tokens may be drawn from at all, as in llama.cpp's own server. Without it top-p has to sort the whole
vocabulary: of 49,152 tokens that took 8 ms a token, as much as computing it, where this takes half a millisecond."""
_SEEDS = 2**32 - 1
"""llama.cpp's seeds are smaller than this; this very number would mean a seed of its own choice."""


class Sampler:
    """A sampler chain; to be closed."""

    def __init__(self, params: SamplingParams, n_vocab: int, history: Iterable[int]) -> None:
        """`history` is the end of the prompt, which the repetition penalty counts as llama.cpp's server does."""
        self._chain: Any = native.llama_sampler_chain_init(native.llama_sampler_chain_default_params())
        if params.repeat_penalty != 1:
            self._add(native.llama_sampler_init_penalties(n_vocab, PENALISED, params.repeat_penalty, 0.0, 0.0))
        if params.temperature == 0:
            self._add(native.llama_sampler_init_greedy())
        else:
            seed = secrets.randbelow(_SEEDS) if params.seed is None else params.seed % _SEEDS
            self._add(native.llama_sampler_init_top_k(TOP_K))
            self._add(native.llama_sampler_init_top_p(params.top_p, 1))
            self._add(native.llama_sampler_init_temp(params.temperature))
            self._add(native.llama_sampler_init_dist(seed))
        for token in history:
            native.llama_sampler_accept(self._chain, token)

    def sample(self, context: Any, index: int) -> int:
        """Choose the token that follows output `index` of the last step, and remember it."""
        return int(native.llama_sampler_sample(self._chain, context, index))

    def close(self) -> None:
        """Free the chain."""
        if self._chain is not None:
            native.llama_sampler_free(self._chain)
            self._chain = None

    def _add(self, sampler: Any) -> None:
        native.llama_sampler_chain_add(self._chain, sampler)
