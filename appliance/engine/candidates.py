"""Tokens and their logits in the form that llama.cpp's samplers take. Knows nothing about what is chosen.

It imports numpy, so whoever has no use for it yet doesn't import this.
"""

from __future__ import annotations

import ctypes

import numpy as np

from appliance.engine.bindings import native
from appliance.engine.scores import Logits


class Candidates:
    """Tokens and their logits as samplers take them."""

    def __init__(self, logits: Logits, first: int = 0) -> None:
        """The tokens from `first` on, each with its logit."""
        self.fields = np.zeros(len(logits), dtype=[("id", np.int32), ("logit", np.float32), ("p", np.float32)])
        self.fields["id"] = np.arange(first, first + len(logits))
        self.fields["logit"] = logits
        pointer = self.fields.ctypes.data_as(native.llama_token_data_p)
        self.array = native.llama_token_data_array(pointer, len(logits), -1, False)
        self.reference = ctypes.byref(self.array)
