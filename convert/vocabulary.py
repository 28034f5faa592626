"""The tokenizer and the prompt template inside a GGUF file, as llama.cpp itself reads them; no weights are loaded.

Knows nothing about what the tokens are compared with.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import llama_cpp

from bundle.errors import ConvertError
from convert import llama_log


class Vocabulary:
    """A GGUF file's vocabulary, open within a `with` block."""

    def __init__(self, path: Path) -> None:
        """Raises ConvertError when llama.cpp can't load the file."""
        llama_log.listen()
        parameters = llama_cpp.llama_model_default_params()
        parameters.vocab_only = True
        llama_cpp.llama_backend_init()
        self._model = llama_cpp.llama_model_load_from_file(str(path).encode(), parameters)
        if not self._model:
            said = llama_log.first_error()
            raise ConvertError(f"{path.name}: llama.cpp can't load it ({said}); convert anew")
        self._vocab = llama_cpp.llama_model_get_vocab(self._model)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        llama_cpp.llama_model_free(self._model)

    @property
    def chat_template(self) -> str:
        """The jinja2 text, or `` where the file has none."""
        text = llama_cpp.llama_model_chat_template(self._model, None)
        return text.decode("utf-8", errors="replace") if text else ""

    @property
    def bos(self) -> int:
        """The token that begins a sequence; -1 if there is none."""
        return int(llama_cpp.llama_vocab_bos(self._vocab))

    @property
    def eos(self) -> int:
        """The token that ends a sequence; -1 if there is none."""
        return int(llama_cpp.llama_vocab_eos(self._vocab))

    @property
    def adds_start(self) -> bool:
        """Whether llama.cpp puts the BOS token before a text of its own accord."""
        return bool(llama_cpp.llama_vocab_get_add_bos(self._vocab))

    def tokens(self, text: str) -> list[int]:
        """Token ids of a rendered prompt: special tokens are recognised, none is added."""
        data = text.encode()
        room = len(data) + 8  # a token stands for at least one byte
        buffer = (llama_cpp.llama_token * room)()
        count = llama_cpp.llama_tokenize(self._vocab, data, len(data), buffer, room, False, True)
        if count < 0:
            raise ConvertError(f"llama.cpp can't split a text of {len(data)} bytes into tokens; convert anew")
        return list(buffer[:count])

    def ends_generation(self, token: int) -> bool:
        """Whether llama.cpp stops at this token."""
        return bool(llama_cpp.llama_vocab_is_eog(self._vocab, token))
