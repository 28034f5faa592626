"""llama.cpp's context: a batch of tokens to compute, their logits, and the memory of each sequence.

One thread at a time may use it. Knows nothing about requests, text or sampling.
"""

from __future__ import annotations

from typing import Any

import llama_cpp.llama_cpp as native
import numpy as np

from appliance.engine import native_log
from appliance.engine.errors import EngineFailed
from appliance.engine.model import Model
from appliance.engine.scores import Logits
from bundle.errors import ServerError

BATCH = 512
"""Most tokens computed in one step."""


class Context:
    """The sequences of one model in one shared memory; to be closed before the model goes."""

    def __init__(self, model: Model, *, sequences: int, length: int, outputs: int, threads: int, offload: bool) -> None:
        """Set aside memory for `sequences` of up to `length` tokens each, and for `outputs` rows of logits a step.

        Raises:
            ServerError: the memory isn't there.
        """
        native_log.silence()
        params = native.llama_context_default_params()
        params.n_ctx = sequences * length
        params.n_batch = params.n_ubatch = BATCH
        params.n_seq_max = sequences
        params.n_outputs_max = outputs
        params.n_threads = params.n_threads_batch = threads
        params.offload_kqv = offload
        params.kv_unified = True
        self._model = model
        self.handle: Any = native.llama_init_from_model(model.handle, params)
        if not self.handle:
            reason = native_log.first_error() or "no reason given"
            raise ServerError(
                f"llama.cpp can't set aside {sequences} slots of {length} tokens ({reason}); "
                "lower appliance.slots or appliance.context"
            )
        self._memory = native.llama_get_memory(self.handle)
        self._batch = native.llama_batch_init(BATCH, 0, 1)

    def close(self) -> None:
        """Free the memory."""
        if self.handle is not None:
            native.llama_batch_free(self._batch)
            native.llama_free(self.handle)
            self.handle = None

    def begin(self) -> None:
        """Start a new batch."""
        self._batch.n_tokens = 0

    def add(self, token: int, position: int, sequence: int, *, output: bool) -> int:
        """Add a token to the batch, with logits if `output`; returns its index there. At most `BATCH` fit."""
        batch = self._batch
        index: int = batch.n_tokens
        if index >= BATCH:  # writing on would overrun llama.cpp's arrays
            raise EngineFailed(f"the batch of {BATCH} tokens is full")
        batch.token[index] = token
        batch.pos[index] = position
        batch.n_seq_id[index] = 1
        batch.seq_id[index][0] = sequence
        batch.logits[index] = output
        batch.n_tokens = index + 1
        return index

    def compute(self) -> None:
        """Compute the batch; its tokens are in their sequences' memory afterwards.

        Raises:
            EngineFailed: llama.cpp can't; the memory is in no known state then.
        """
        status = native.llama_decode(self.handle, self._batch)
        if status != 0:
            raise EngineFailed(f"llama.cpp could not compute this step (status {status})")

    def logits(self, index: int, count: int = 1) -> Logits:
        """The logits of `count` outputs that lie side by side in the batch from `index` on, shape (count, vocabulary).

        A view of llama.cpp's own memory, which the next step overwrites.
        """
        first = native.llama_get_logits_ith(self.handle, index)
        if not first:
            raise EngineFailed(f"llama.cpp has no logits for output {index}")
        return np.ctypeslib.as_array(first, shape=(count, self._model.n_vocab))

    def keep(self, sequence: int, length: int) -> int:
        """Forget all but the first `length` tokens of a sequence; returns how many it still has.

        That is `length`, or 0 for a kind of memory that can't be cut.
        """
        if length and native.llama_memory_seq_rm(self._memory, sequence, length, -1):
            return length
        native.llama_memory_seq_rm(self._memory, sequence, -1, -1)
        return 0

    def clear(self) -> None:
        """Forget every sequence."""
        native.llama_memory_clear(self._memory, True)
