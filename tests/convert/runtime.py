"""llama.cpp as the tests use it."""

from __future__ import annotations

from pathlib import Path

import llama_cpp
import numpy as np
import pytest


def logits_of(path: Path, tokens: list[int], lora: Path | None = None) -> np.ndarray:
    """Logits after each token, [tokens, vocabulary], as llama.cpp computes them."""
    default = llama_cpp.llama_model_default_params

    def parameters() -> llama_cpp.llama_model_params:
        changed = default()
        changed.use_extra_bufts = False  # built by GCC 12 or older, llama.cpp's AMX code crashes at the first matrix
        return changed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("llama_cpp.llama_cpp.llama_model_default_params", parameters)
        model = llama_cpp.Llama(
            str(path), n_ctx=256, logits_all=True, verbose=False, lora_path=str(lora) if lora else None
        )
        model.eval(tokens)
        logits = np.array(model.scores[: len(tokens)])
        model.close()
    return logits
