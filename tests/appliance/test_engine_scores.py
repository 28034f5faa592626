"""Log-probabilities against an independent computation."""

from __future__ import annotations

from pathlib import Path

import llama_cpp
import numpy as np
import pytest

from appliance.engine.expert import Expert
from appliance.engine.request import PromptScored, TokenScore
from appliance.engine.scores import score

TEXT = "The quick brown fox jumps over the lazy dog. A list is written [1, 2, 3] in Python. " * 8


@pytest.fixture
def prompt(expert: Expert) -> tuple[int, ...]:
    """More tokens than are scored in one step."""
    tokens = expert.text_prompt(TEXT)
    assert len(tokens) > 150
    return tokens


def _scores(expert: Expert, prompt: tuple[int, ...]) -> list[TokenScore]:
    request = expert.request(prompt, max_tokens=0, logprobs=2, score_prompt=True)
    return [s for event in expert.engine.generate(request) if isinstance(event, PromptScored) for s in event.scores]


def test_scores_are_those_of_llama_cpp_pythons_own_class(
    expert: Expert, prompt: tuple[int, ...], bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    defaults = llama_cpp.llama_model_default_params

    def without_amx() -> llama_cpp.llama_model_params:
        params = defaults()
        params.use_extra_bufts = False
        return params

    monkeypatch.setattr("llama_cpp.llama_cpp.llama_model_default_params", without_amx)
    llama = llama_cpp.Llama(
        str(bundle / "pocket-Q8_0.gguf"), n_ctx=512, logits_all=True, flash_attn=True, verbose=False
    )
    llama.eval(list(prompt))
    logits = np.array(llama.scores[: len(prompt)], dtype=np.float64)
    llama.close()
    expected = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    scores = _scores(expert, prompt)
    assert scores[0].logprob is None
    assert [score.token for score in scores] == list(prompt)
    # Kernels round otherwise when other sequences lie in the memory: single places differ, their mean hardly.
    wanted = [expected[place, token] for place, token in enumerate(prompt[1:])]
    found = [score.logprob for score in scores[1:] if score.logprob is not None]
    assert found == pytest.approx(wanted, abs=0.5)
    assert np.mean(found) == pytest.approx(np.mean(wanted), abs=0.02)
    best = [score.top[0][1] for score in scores[1:]]
    assert best == pytest.approx(list(expected.max(axis=1)[:-1]), abs=0.5)


def test_score_is_a_log_softmax() -> None:
    logits = np.random.default_rng(0).normal(0, 10, (3, 1000)).astype(np.float32)
    logits[0, 5] = 500.0  # would overflow a careless exponential
    rows = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    expected = rows - np.log(np.exp(rows).sum(axis=1, keepdims=True))
    scores = score(logits, [5, 6], top=3)
    assert [found.token for found in scores] == [5, 6]
    for row, found in enumerate(scores):
        assert found.logprob == pytest.approx(expected[row, found.token], abs=1e-4)
        assert [token for token, _ in found.top] == list(np.argsort(-expected[row])[:3])
