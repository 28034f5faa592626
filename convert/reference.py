"""The model that was trained, as transformers and PEFT run it: the unquantised base with its adapter *unmerged*.

So that a wrong merge, a missing one or a second one can be told. Knows nothing about GGUF or llama.cpp.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import torch
from transformers import AutoModelForCausalLM

from bundle.errors import ConvertError
from convert.inference import Logits

_ROOM = 1.3
"""Memory for the weights and what is computed with them, as a share of the weights."""


class Reference:
    """The base, with an adapter or without."""

    def __init__(self, base: Path, adapter: Path | None) -> None:
        """Load both; in float32 where the memory is there, else in the base's own number format.

        Raises:
            ConvertError: they can't be loaded, or don't belong together.
        """
        # Imported here because it takes seconds; bitsandbytes remarks on a kernel that isn't used.
        with contextlib.redirect_stderr(io.StringIO()):
            from peft import PeftModel

        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
                warnings.simplefilter("ignore")
                model: Any = AutoModelForCausalLM.from_pretrained(
                    base, dtype=_dtype(base, self._device), local_files_only=True
                )
                self.adapted = adapter is not None
                if adapter:
                    model = PeftModel.from_pretrained(model, adapter, local_files_only=True)
        except Exception as error:  # what a damaged model raises is anything at all
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise ConvertError(f"{adapter or base}: the trained model can't be loaded ({lines[0]})") from None
        self._model = model.to(self._device).eval()

    def trained(self, tokens: Sequence[int], first: int) -> Logits:
        """The logits that predict each of `tokens[first:]`, of the base with its adapter."""
        return self._logits(tokens, first)

    def base(self, tokens: Sequence[int], first: int) -> Logits:
        """The same of the base alone."""
        if not self.adapted:
            return self._logits(tokens, first)
        with self._model.disable_adapter():
            return self._logits(tokens, first)

    @contextmanager
    def doubled(self) -> Iterator[None]:
        """Within this, the adapter counts twice: what a merge into a model that was merged already gives."""
        layers = [module for module in self._model.modules() if hasattr(module, "scale_layer")]
        for layer in layers:
            layer.scale_layer(2.0)
        try:
            yield
        finally:
            for layer in layers:
                layer.unscale_layer(2.0)

    def _logits(self, tokens: Sequence[int], first: int) -> Logits:
        with torch.inference_mode():
            ids = torch.tensor([list(tokens)], device=self._device)
            out = self._model(input_ids=ids, use_cache=False, logits_to_keep=len(tokens) - first + 1).logits
            rows: Logits = out[0, :-1].float().cpu().numpy()
        return rows


def _dtype(base: Path, device: str) -> Any:
    """float32 if the weights fit the free memory so."""
    files = sum(file.stat().st_size for file in base.glob("*.safetensors"))
    wide = 2 * files  # most hubs' weights have two bytes a parameter; those of four need no more than this
    free = torch.cuda.mem_get_info()[0] if device == "cuda" else psutil.virtual_memory().available
    return torch.float32 if wide * _ROOM < free else "auto"
