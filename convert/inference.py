"""A GGUF file that computes: token ids in, logits out, through llama.cpp in this process.

Knows nothing about records, templates or what the logits are compared with.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import llama_cpp
import numpy as np
import numpy.typing as npt

from bundle.errors import ConvertError
from convert import llama_log

BATCH = 512
"""Most tokens computed in one step."""
Logits = npt.NDArray[np.float32]
"""Rows of raw scores, shape (positions, vocabulary)."""
Watcher = Callable[[int, bool], bool]
"""llama.cpp's evaluation callback: a tensor's address, and whether it only asks if the tensor is wanted."""


class Inference:
    """A loaded model with room for a few sequences, open within a `with` block."""

    def __init__(
        self, path: Path, length: int, *, sequences: int = 1, watcher: Watcher | None = None, lora: Path | None = None
    ) -> None:
        """Load `path` for `sequences` of up to `length` tokens each, on a GPU where llama.cpp was built for one.

        `lora` is an adapter, as a GGUF file, to be put on it.

        Raises:
            ConvertError: llama.cpp can't load it, or has no memory for it.
        """
        self._name = path.name
        self._model: Any = None
        self._context: Any = None
        llama_log.listen()
        llama_cpp.llama_backend_init()
        of_model = llama_cpp.llama_model_default_params()
        of_model.n_gpu_layers = -1
        # llama.cpp built with AMX by GCC 12 or older crashes at the first step (ggml-org/llama.cpp#26954).
        of_model.use_extra_bufts = b"AMX_INT8 = 1" not in llama_cpp.llama_print_system_info()
        self._model = llama_cpp.llama_model_load_from_file(str(path).encode(), of_model)
        if not self._model:
            raise ConvertError(f"{path.name}: llama.cpp can't load it ({llama_log.first_error()}); convert anew")
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx = length * sequences
        parameters.n_batch = parameters.n_ubatch = BATCH
        parameters.n_seq_max = sequences
        parameters.kv_unified = True
        parameters.n_threads = parameters.n_threads_batch = _cores()
        if watcher:
            # Kept by the object: llama.cpp calls it for as long as the context lives.
            self._watcher = llama_cpp.ggml_backend_sched_eval_callback(lambda address, asks, _: watcher(address, asks))
            parameters.cb_eval = self._watcher
        self._context = llama_cpp.llama_init_from_model(self._model, parameters)
        if not self._context:
            said = llama_log.first_error()
            self._free()
            raise ConvertError(f"{path.name}: llama.cpp has no memory for {length * sequences} tokens ({said})")
        if lora:
            self._put_on(lora)
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._batch = llama_cpp.llama_batch_init(BATCH, 0, 1)
        self.vocab = llama_cpp.llama_model_get_vocab(self._model)
        """llama.cpp's handle of the vocabulary."""
        self.vocabulary: int = llama_cpp.llama_vocab_n_tokens(self.vocab)
        """How many tokens there are."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        llama_cpp.llama_batch_free(self._batch)
        self._free()

    @property
    def handle(self) -> Any:
        """llama.cpp's own handle of the context, for its samplers."""
        return self._context

    @property
    def bits(self) -> float:
        """Bits a weight, over all tensors of the file."""
        size: int = llama_cpp.llama_model_size(self._model)
        return 8 * size / int(llama_cpp.llama_model_n_params(self._model))

    def logits(self, tokens: Sequence[int], first: int) -> Logits:
        """The logits that predict each of `tokens[first:]` from all tokens before it; `first` is at least 1."""
        self.forget()
        blocks = []
        for start in range(0, len(tokens) - 1, BATCH):
            part = tokens[start : min(start + BATCH, len(tokens) - 1)]
            self.begin()
            for place, token in enumerate(part, start):
                self.add(token, place, output=place >= first - 1)
            self.compute()
            silent = min(len(part), max(0, first - 1 - start))
            if silent < len(part):
                blocks.append(self.rows(silent, len(part) - silent))
        return np.concatenate(blocks)

    def forget(self) -> None:
        """Forget every sequence."""
        llama_cpp.llama_memory_clear(self._memory, True)

    def begin(self) -> None:
        """Start a new batch."""
        self._batch.n_tokens = 0

    def add(self, token: int, position: int, sequence: int = 0, *, output: bool) -> int:
        """Add a token to the batch, with logits if `output`; returns its index there. At most `BATCH` fit."""
        batch = self._batch
        index: int = batch.n_tokens
        if index >= BATCH:  # writing on would overrun llama.cpp's arrays
            raise ValueError(f"the batch of {BATCH} tokens is full")
        batch.token[index] = token
        batch.pos[index] = position
        batch.n_seq_id[index] = 1
        batch.seq_id[index][0] = sequence
        batch.logits[index] = output
        batch.n_tokens = index + 1
        return index

    def compute(self) -> None:
        """Compute the batch.

        Raises:
            ConvertError: llama.cpp can't.
        """
        status = llama_cpp.llama_decode(self._context, self._batch)
        if status != 0:
            raise ConvertError(
                f"{self._name}: llama.cpp can't compute with it ({llama_log.first_error()}, status {status})"
            )

    def rows(self, index: int, count: int = 1) -> Logits:
        """A copy of the logits of `count` outputs that lie side by side in the batch from `index` on."""
        first = llama_cpp.llama_get_logits_ith(self._context, index)
        return np.array(np.ctypeslib.as_array(first, shape=(count, self.vocabulary)))

    def _put_on(self, lora: Path) -> None:
        handle = llama_cpp.llama_adapter_lora_init(self._model, str(lora).encode())  # freed with the model
        if not handle:
            self._free()
            raise ConvertError(f"{lora.name}: llama.cpp can't put it on {self._name} ({llama_log.first_error()})")
        adapters, scales = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(handle), (ctypes.c_float * 1)(1.0)
        llama_cpp.llama_set_adapters_lora(self._context, adapters, 1, scales)

    def _free(self) -> None:
        if self._context:
            llama_cpp.llama_free(self._context)
        llama_cpp.llama_model_free(self._model)
        self._context = self._model = None


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
