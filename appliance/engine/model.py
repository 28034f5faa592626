"""A loaded GGUF file: its weights, and its vocabulary as text to tokens and back.

Tokenising is safe from any thread. Knows nothing about contexts, prompts or sampling.
"""

from __future__ import annotations

import ctypes
import weakref
from pathlib import Path
from typing import Any

from appliance.engine import native_log
from appliance.engine.backend import start
from appliance.engine.bindings import native
from bundle.errors import BundleError

_PIECE_BYTES = 256
_attributes = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int32)
"""Of llama.cpp's function that tells a token's kind; called for a whole vocabulary, it keeps the interpreter, which is
otherwise given away and waited for at each call."""


class Model:
    """A GGUF file in memory; freed when nothing refers to it any more."""

    def __init__(self, path: Path, gpu_layers: int = -1) -> None:
        """Load `path`, with `gpu_layers` of its layers on the GPU (-1: all, where there is one).

        Raises:
            BundleError: llama.cpp can't load it; the text carries llama.cpp's reason.
        """
        start()
        native_log.silence()
        params = native.llama_model_default_params()
        params.n_gpu_layers = gpu_layers
        # llama.cpp built with AMX by GCC 12 or older writes an invalid tile configuration and crashes at the first
        # step (ggml-org/llama.cpp#26954). Such a build isn't to be told from a sound one without crashing.
        params.use_extra_bufts = b"AMX_INT8 = 1" not in native.llama_print_system_info()
        handle = native.llama_model_load_from_file(str(path).encode(), params)
        if not handle:
            reason = native_log.first_error() or "no reason given"
            raise BundleError(f"{path}: llama.cpp can't load it ({reason}); convert or copy it anew")
        self.handle = handle
        # Freed only when no thread is inside a method any more, and never before a context that refers to it.
        weakref.finalize(self, native.llama_model_free, handle)
        self.vocab = native.llama_model_get_vocab(handle)
        """llama.cpp's handle of the vocabulary; lives as long as the model."""
        self.n_vocab: int = native.llama_vocab_n_tokens(self.vocab)
        self.trained_context: int = native.llama_model_n_ctx_train(handle)
        self.bos: int = native.llama_vocab_bos(self.vocab)
        """The token that begins a sequence; -1 if there is none."""
        self.control_tokens = self._control_tokens()
        """The texts that `parse_special` reads as control tokens."""
        self._pieces: dict[int, bytes] = {}

    def adapter(self, path: Path) -> Any:
        """llama.cpp's handle of a LoRA adapter for this model; lives as long as the model.

        Raises:
            BundleError: it isn't one; the text carries llama.cpp's reason.
        """
        native_log.silence()
        handle = native.llama_adapter_lora_init(self.handle, str(path).encode())
        if not handle:
            reason = native_log.first_error() or "no reason given"
            raise BundleError(f"{path}: llama.cpp can't load it as an adapter of this model ({reason})")
        return handle

    def tokenize(self, text: str, *, add_special: bool = False, parse_special: bool = False) -> list[int]:
        """The tokens of a text.

        `add_special` adds what the file says belongs around a sequence; `parse_special` reads texts such as
        `<|im_end|>` as the control tokens that they name.
        """
        data = text.encode()
        # A byte is never more than one token; two more are room for what is added around.
        buffer = (native.llama_token * (len(data) + 2))()
        count = native.llama_tokenize(self.vocab, data, len(data), buffer, len(buffer), add_special, parse_special)
        if count < 0:  # a vocabulary that makes more than one token of a byte
            buffer = (native.llama_token * -count)()
            count = native.llama_tokenize(self.vocab, data, len(data), buffer, len(buffer), add_special, parse_special)
        return buffer[:count]

    def piece(self, token: int, *, special: bool = False) -> bytes:
        """The bytes of a token, which may be a part of a character; control tokens have none unless `special`."""
        buffer = ctypes.create_string_buffer(_PIECE_BYTES)
        length = native.llama_token_to_piece(self.vocab, token, buffer, len(buffer), 0, special)
        if length < 0:
            buffer = ctypes.create_string_buffer(-length)
            length = native.llama_token_to_piece(self.vocab, token, buffer, len(buffer), 0, special)
        return buffer.raw[: max(length, 0)]

    def plain_piece(self, token: int) -> bytes:
        """As `piece`, of a token that comes often: looked up in the vocabulary once."""
        piece = self._pieces.get(token)
        if piece is None:
            piece = self._pieces[token] = self.piece(token)
        return piece

    def ends_answer(self, token: int) -> bool:
        """Whether a token ends a generation (end of turn, end of text and their kin)."""
        return bool(native.llama_vocab_is_eog(self.vocab, token))

    def _control_tokens(self) -> dict[str, int]:
        control = native.LLAMA_TOKEN_ATTR_CONTROL | native.LLAMA_TOKEN_ATTR_UNKNOWN
        attributes = _attributes(("llama_vocab_get_attr", native._lib))
        texts = {
            (native.llama_vocab_get_text(self.vocab, token) or b"").decode("utf-8", "replace"): token
            for token in range(self.n_vocab)
            if attributes(self.vocab, token) & control
        }
        texts.pop("", None)
        return texts
