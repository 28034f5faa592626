"""llama.cpp's samplers for one answer: what is added, penalised, cut off and drawn, and the grammar that it matches.

Knows nothing about requests or slots.
"""

from __future__ import annotations

import ctypes
import math
import secrets
import time
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from appliance.engine import native_log
from appliance.engine.bindings import native
from appliance.engine.errors import EngineFailed, InvalidRequest
from appliance.engine.model import Model
from appliance.engine.request import SamplingParams

if TYPE_CHECKING:  # it imports numpy, which a first answer doesn't need
    from appliance.engine.candidates import Candidates
    from appliance.engine.scores import Logits

PENALISED = 64
"""How many of the last tokens, prompt and answer together, the penalties on single tokens look at."""
DRY_RANGE = 1024
"""How many of the last tokens the DRY penalty looks at."""
DRY_BREAKERS = ("\n", ":", '"', "*")
"""What no sequence goes on across for the DRY penalty, as in llama.cpp's own server."""
GRAMMAR_BYTES = 100_000
"""Longest grammar."""
GRAMMAR_GROUPS = 2_000
"""Most parentheses in a grammar: llama.cpp's parser calls itself for each, and 20,000 overran its stack."""
GRAMMAR_SECONDS = 1.0
"""Most processor time that a grammar may take for one token: an ambiguous one takes twice as long with every token."""
_SEEDS = 2**32 - 1
"""llama.cpp's seeds are smaller than this; this very number would mean a seed of its own choice."""
_BIASED = 1024
"""Most tokens with a bias."""

_RANGES: dict[str, tuple[float, float]] = {
    "temperature": (0, 100),
    "top_k": (0, 2**31 - 1),
    "top_p": (0, 1),
    "min_p": (0, 1),
    "repeat_penalty": (0.01, 100),
    "frequency_penalty": (-100, 100),
    "presence_penalty": (-100, 100),
    "dry_multiplier": (0, 100),
    "dry_base": (1, 100),
    "dry_allowed_length": (1, 1000),
}


class Sampler:
    """The samplers of one answer; freed when nothing refers to them any more."""

    def __init__(self, params: SamplingParams, model: Model, prompt: Sequence[int]) -> None:
        """The penalties count the end of the prompt, too, as llama.cpp's server does; the grammar begins after it.

        Raises:
            InvalidRequest: a setting is out of its range, or the grammar can't be read.
        """
        check(params, model.n_vocab)
        self._model = model  # whose vocabulary the samplers look into
        self._grammar = None
        if params.grammar:
            # Beside the chain: a grammar takes only the tokens of the answer.
            self._grammar = _grammar(params.grammar, model)
            weakref.finalize(self, native.llama_sampler_free, self._grammar)
        self._chain: Any = native.llama_sampler_chain_init(native.llama_sampler_chain_default_params())
        weakref.finalize(self, native.llama_sampler_free, self._chain)
        if params.logit_bias:
            biases = (native.llama_logit_bias * len(params.logit_bias))(*params.logit_bias)
            self._add(native.llama_sampler_init_logit_bias(model.n_vocab, len(biases), biases))
        penalties = (params.repeat_penalty, params.frequency_penalty, params.presence_penalty)
        if penalties != (1, 0, 0):
            self._add(native.llama_sampler_init_penalties(model.n_vocab, PENALISED, *penalties))
        if params.dry_multiplier:
            self._add(_dry(params, model))
        if params.temperature == 0:
            self._add(native.llama_sampler_init_greedy())
        else:
            seed = secrets.randbelow(_SEEDS) if params.seed is None else params.seed % _SEEDS
            if params.top_k:
                self._add(native.llama_sampler_init_top_k(params.top_k))
            self._add(native.llama_sampler_init_top_p(params.top_p, 1))
            if params.min_p:
                self._add(native.llama_sampler_init_min_p(params.min_p, 1))
            self._add(native.llama_sampler_init_temp(params.temperature))
            self._add(native.llama_sampler_init_dist(seed))
        for token in prompt[-(DRY_RANGE if params.dry_multiplier else PENALISED) :]:
            native.llama_sampler_accept(self._chain, token)

    def sample(self, context: Any, index: int) -> int:
        """Choose the token that follows output `index` of the last step, and remember it.

        Raises:
            InvalidRequest: the grammar leaves no token to choose, or takes too long.
        """
        if self._grammar is None:
            return int(native.llama_sampler_sample(self._chain, context, index))
        import numpy as np

        began = time.thread_time()
        first = native.llama_get_logits_ith(context, index)
        if not first:
            raise EngineFailed(f"llama.cpp has no logits for output {index}")
        token = self._matching(np.ctypeslib.as_array(first, shape=(self._model.n_vocab,)))
        native.llama_sampler_accept(self._grammar, token)
        native.llama_sampler_accept(self._chain, token)
        if time.thread_time() - began > GRAMMAR_SECONDS:
            raise InvalidRequest("the grammar is too ambiguous to follow; make it simpler")
        return token

    def _matching(self, logits: Logits) -> int:
        """The token to take: the one chosen freely if it matches the grammar, else one of those that do."""
        from appliance.engine.candidates import Candidates

        # As llama.cpp's server does: holding the whole vocabulary against the grammar takes longer than choosing.
        token, _ = self._choose(Candidates(logits))
        alone = Candidates(logits[token : token + 1], token)
        native.llama_sampler_apply(self._grammar, alone.reference)
        if alone.fields["logit"][0] > -math.inf:
            return token
        every = Candidates(logits)
        native.llama_sampler_apply(self._grammar, every.reference)
        token, logit = self._choose(every)
        if logit == -math.inf:  # accepting such a token would end the process
            raise InvalidRequest("the grammar and the biases leave no token to go on with; loosen one of them")
        return token

    def _choose(self, candidates: Candidates) -> tuple[int, float]:
        native.llama_sampler_apply(self._chain, candidates.reference)
        chosen = candidates.array.data[candidates.array.selected]
        return int(chosen.id), float(chosen.logit)

    def _add(self, sampler: Any) -> None:
        native.llama_sampler_chain_add(self._chain, sampler)


def check(params: SamplingParams, n_vocab: int) -> None:
    """Find what means nothing.

    Raises:
        InvalidRequest: a setting is out of its range, or a bias is on a token that isn't one of `n_vocab`.
    """
    for name, (least, most) in _RANGES.items():
        value = getattr(params, name)
        if not least <= value <= most:
            raise InvalidRequest(f"{name} is {value}; it is between {least} and {most}")
    if params.top_p == 0:
        raise InvalidRequest("top_p is 0, which leaves no token; for the likeliest one set temperature to 0")
    if len(params.logit_bias) > _BIASED:
        raise InvalidRequest(f"logit_bias names {len(params.logit_bias)} tokens; at most {_BIASED} are taken")
    for token, bias in params.logit_bias:
        if not 0 <= token < n_vocab:
            raise InvalidRequest(f"logit_bias names the token {token}, which isn't one of the model's {n_vocab}")
        if math.isnan(bias) or bias == math.inf:
            raise InvalidRequest(f"logit_bias of token {token} is {bias}; it is a number, or -inf to forbid the token")
    if len(params.grammar.encode("utf-8", "replace")) > GRAMMAR_BYTES:
        raise InvalidRequest(f"the grammar is too long; at most {GRAMMAR_BYTES} bytes are taken")
    if params.grammar.count("(") > GRAMMAR_GROUPS:
        raise InvalidRequest(f"the grammar has more than {GRAMMAR_GROUPS} parentheses; make it simpler")
    if "\0" in params.grammar:
        raise InvalidRequest("the grammar has a null character; write it as an escape")


def _grammar(text: str, model: Model) -> Any:
    """A grammar's sampler, at its beginning."""
    native_log.silence()
    grammar = native.llama_sampler_init_grammar(model.vocab, text.encode("utf-8", "replace"), b"root")
    if not grammar:
        raise InvalidRequest(f"the grammar can't be read ({native_log.first_error() or 'no reason given'})")
    return grammar


def _dry(params: SamplingParams, model: Model) -> Any:
    breakers = (ctypes.c_char_p * len(DRY_BREAKERS))(*(text.encode() for text in DRY_BREAKERS))
    settings = (params.dry_multiplier, params.dry_base, params.dry_allowed_length, DRY_RANGE)
    return native.llama_sampler_init_dry(model.vocab, *settings, breakers, len(breakers))
