"""llama.cpp's context: a batch of tokens to compute, their logits, and the memory of each sequence.

One thread at a time may use it. Knows nothing about requests, text or sampling.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from appliance.engine import native_log
from appliance.engine.bindings import native
from appliance.engine.errors import EngineFailed
from appliance.engine.model import Model
from appliance.settings import KvType
from bundle.errors import ServerError

if TYPE_CHECKING:  # it imports numpy, which a first answer doesn't need
    from appliance.engine.scores import Logits

BATCH = 512
"""Most tokens computed in one step."""
MAX_SEQUENCES = 256
"""Most sequences that llama.cpp can tell apart."""
_KV_TYPES = {"F16": native.GGML_TYPE_F16, "Q8_0": native.GGML_TYPE_Q8_0, "Q4_0": native.GGML_TYPE_Q4_0}
_STREAM = 256
"""llama.cpp rounds the memory of a sequence up to a multiple of this."""


class Context:
    """The sequences of one model in one memory; to be closed before the model goes."""

    def __init__(
        self,
        model: Model,
        *,
        sequences: int,
        cells: int,
        outputs: int,
        threads: int,
        offload: bool = False,
        kv_type: KvType = "F16",
        shared: bool = True,
    ) -> None:
        """Set aside memory for `cells` tokens of all sequences together, and for `outputs` rows of logits a step.

        Where the memory isn't `shared`, each sequence has its equal part of it.

        Raises:
            ServerError: the memory isn't there.
        """
        native_log.silence()
        params = native.llama_context_default_params()
        params.n_ctx = cells if shared else sequences * (-(-cells // sequences // _STREAM) * _STREAM)
        params.n_batch = params.n_ubatch = BATCH
        params.n_seq_max = sequences
        params.n_outputs_max = max(outputs, sequences)  # llama.cpp ends the process where there are fewer
        params.n_threads = params.n_threads_batch = threads
        params.offload_kqv = offload
        params.kv_unified = shared
        params.type_k = params.type_v = _KV_TYPES[kv_type]
        if kv_type != "F16":  # values of other types need it
            params.flash_attn_type = native.LLAMA_FLASH_ATTN_TYPE_ENABLED
        self._model = model
        self.handle: Any = native.llama_init_from_model(model.handle, params)
        if not self.handle:
            reason = native_log.first_error() or "no reason given"
            raise ServerError(
                f"llama.cpp can't set aside memory for {cells} tokens ({reason}); "
                "lower appliance.memory, or appliance.slots and appliance.context"
            )
        self._memory = native.llama_get_memory(self.handle)
        self._shared = shared
        self._buffer: ctypes.Array[ctypes.c_uint8] = (ctypes.c_uint8 * 0)()
        """What a state is taken into; kept, since memory that the system gives anew costs more time than the copy."""
        # The arrays of the batch. Each token belongs to one sequence, so the pointers to their lists never change.
        self._tokens = (native.llama_token * BATCH)()
        self._positions = (native.llama_pos * BATCH)()
        self._sequences = (native.llama_seq_id * BATCH)()
        self._outputs = (ctypes.c_int8 * BATCH)()
        counts = (ctypes.c_int32 * BATCH)(*[1] * BATCH)
        size = ctypes.sizeof(native.llama_seq_id)
        pointer = ctypes.POINTER(native.llama_seq_id)
        lists = [ctypes.cast(ctypes.byref(self._sequences, size * place), pointer) for place in range(BATCH)]
        self._batch = native.llama_batch(
            0, self._tokens, None, self._positions, counts, (pointer * BATCH)(*lists), self._outputs
        )
        self._adapter: Any = None
        """What the batch is computed with beside the model."""

    @property
    def cuttable(self) -> bool:
        """Whether a sequence's beginning can be kept or copied without the rest; not so for recurrent memory and for
        attention in a sliding window, which forget it."""
        handle = self._model.handle
        whole = native.llama_model_is_recurrent(handle) or native.llama_model_is_hybrid(handle)
        return not whole and native.llama_model_n_swa(handle) == 0

    def close(self) -> None:
        """Free the memory."""
        if self.handle is not None:
            native.llama_free(self.handle)
            self.handle = None

    def begin(self, adapter: Any = None) -> None:
        """Start a new batch, which a LoRA adapter computes with the model, or the model alone."""
        self._batch.n_tokens = 0
        if adapter is not self._adapter:
            adapters = (native.llama_adapter_lora_p_ctypes * 1)(adapter)
            scales = (ctypes.c_float * 1)(1.0)
            native.llama_set_adapters_lora(self.handle, adapters, 0 if adapter is None else 1, scales)
            self._adapter = adapter

    def add(self, tokens: Sequence[int], position: int, sequence: int, *, outputs: int = 1) -> int:
        """Add tokens of a sequence to the batch, the last `outputs` of them with logits.

        Returns the index of the first. At most `BATCH` fit.
        """
        first: int = self._batch.n_tokens
        count = len(tokens)
        end = first + count
        if end > BATCH:  # writing on would overrun the arrays
            raise EngineFailed(f"the batch of {BATCH} tokens is full")
        self._tokens[first:end] = tokens
        self._positions[first:end] = range(position, position + count)
        self._sequences[first:end] = [sequence] * count
        self._outputs[first:end] = [*[0] * (count - outputs), *[1] * outputs]
        self._batch.n_tokens = end
        return first

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
        import numpy as np

        return np.ctypeslib.as_array(first, shape=(count, self._model.n_vocab))

    def copy(self, source: int, target: int, length: int) -> None:
        """Let an empty sequence begin with the first `length` tokens of another; nothing is computed, and where the
        memory is shared none is taken.

        Raises:
            EngineFailed: llama.cpp can't.
        """
        if self._shared:
            native.llama_memory_seq_cp(self._memory, source, target, 0, length)
            return
        # Not by llama_memory_seq_cp: it copies a whole part of the memory, used or not, and only with the next step.
        end = native.llama_memory_seq_pos_max(self._memory, source) + 1
        size = self._take(source)
        if not self._restore(target, self._buffer, size, end):
            raise EngineFailed(f"llama.cpp could not copy sequence {source}")
        self.cut(target, length)

    def cut(self, sequence: int, length: int) -> None:
        """Forget all but the first `length` tokens of a sequence.

        Raises:
            EngineFailed: llama.cpp can't.
        """
        if not native.llama_memory_seq_rm(self._memory, sequence, length or -1, -1):
            raise EngineFailed(f"llama.cpp could not cut sequence {sequence} to {length} tokens")

    def clear(self) -> None:
        """Forget every sequence."""
        native.llama_memory_clear(self._memory, True)

    def state(self, sequence: int) -> bytes:
        """What the memory holds of a sequence, without logits."""
        size = self._take(sequence)
        return ctypes.string_at(self._buffer, size)

    def restore(self, sequence: int, data: bytes, length: int, *, start: int = 0) -> bool:
        """Put `length` tokens back from the state that `data` has from `start` on; False, and nothing there, where it
        doesn't fit this context."""
        first = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0
        pointer = ctypes.cast(first + start, ctypes.POINTER(ctypes.c_uint8))
        return self._restore(sequence, pointer, len(data) - start, length)

    def _restore(self, sequence: int, state: Any, size: int, length: int) -> bool:
        taken = native.llama_state_seq_set_data(self.handle, state, size, sequence)
        span = (
            native.llama_memory_seq_pos_min(self._memory, sequence),
            native.llama_memory_seq_pos_max(self._memory, sequence),
        )
        if taken == size and span == (0, length - 1):
            return True
        native.llama_memory_seq_rm(self._memory, sequence, -1, -1)
        return False

    def _take(self, sequence: int) -> int:
        """Take the state of a sequence into the buffer, which the next one overwrites; returns its size."""
        size: int = native.llama_state_seq_get_size(self.handle, sequence)
        if size > len(self._buffer):
            self._buffer = (ctypes.c_uint8 * size)()
        return int(native.llama_state_seq_get_data(self.handle, self._buffer, size, sequence))
