"""Proves, before a bundle is sealed, that its GGUF files read prompts as the trained model did.

The same ids from both tokenizers, the trained prompt template, and an end of turn at which llama.cpp stops. Knows
nothing about weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from bundle.errors import ConvertError
from bundle.records import Record
from bundle.stage import Progress
from bundle.template import PromptTemplate
from convert.vocabulary import Vocabulary

NASTY = (
    "plain words, and don't it's WE'LL I'm",
    "🙂 🎉👩‍👩‍👧‍👦 🏳️‍🌈",
    "漢字かなカナ 한국어 ไทย العربية ١٢٣٤٥",
    "e\u0301 a\u0308 \u1e9b\u0323 zero\u200bwidth \u00a0 no-break \ufeff mark",
    "a" + " " * 40 + "b" + "\t" * 9 + "\n" * 7 + "  \r\n end  ",
    "<|special|> <|im_start |> <|im_end> <s> </s> [INST] <unused1>",
    "12345 3.14159e-10 0xFF 1_000_000",
    "```python\nimport numpy as np\n\nfor i in range(10):\n    print(f'{i:>4}', np.linalg.norm([i, -i]))\n```",
    "=" * 70 + "\n" + "-" * 33 + "...!!!???",
)
"""Texts at which tokenizers have been seen to differ."""

_REMEDY = "nothing was sealed; convert anew, or choose another base model"


def prove(
    files: Sequence[Path], base: Path, template: PromptTemplate, held_out: Sequence[Record], progress: Progress
) -> None:
    """Check GGUF files against the base's tokenizer and the trained template.

    Each held-out record is checked as its whole training text: the served prompt, the answer, the end of turn.

    Raises:
        ConvertError: names the first thing that differs.
    """
    tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
    pairs = [(text, text) for text in NASTY] + [(record.message, record.output) for record in held_out]
    texts = ["".join(template.example(question, answer)) for question, answer in pairs]
    trained = tokenizer([template.end_of_turn, *texts], add_special_tokens=False).input_ids
    for file in files:
        with Vocabulary(file) as vocabulary:
            _prove_template(file, vocabulary, template)
            _prove_end(file, vocabulary, trained[0], template.end_of_turn)
            _prove_special(file, vocabulary, tokenizer)
            for number, (text, ids) in enumerate(zip(texts, trained[1:], strict=True), start=1):
                progress(f"Proving {file.name}", number, len(texts), "prompts")
                _prove_tokens(file, text, ids, vocabulary.tokens(text))


def _prove_template(file: Path, vocabulary: Vocabulary, template: PromptTemplate) -> None:
    found = vocabulary.chat_template
    if found != template.source:
        at = _first_difference(found, template.source)
        raise ConvertError(f"{file.name}: its prompt template is not the trained one (from character {at}); {_REMEDY}")


def _prove_end(file: Path, vocabulary: Vocabulary, end: list[int], text: str) -> None:
    if not end:
        raise ConvertError(f"{file.name}: the prompt template ends no answer, so none would stop; choose another base")
    if not vocabulary.ends_generation(end[0]):
        raise ConvertError(
            f"{file.name}: llama.cpp would not stop at {text!r}, where answers were trained to end; choose another base"
        )


def _prove_special(file: Path, vocabulary: Vocabulary, tokenizer: Any) -> None:
    for what, trained, served in (
        ("begins a sequence", tokenizer.bos_token_id, vocabulary.bos),
        ("ends a sequence", tokenizer.eos_token_id, vocabulary.eos),
    ):
        if trained is not None and trained != served:
            raise ConvertError(
                f"{file.name}: token {served} {what} in the file, and {trained} where the model was trained; {_REMEDY}"
            )


def _prove_tokens(file: Path, text: str, trained: list[int], served: list[int]) -> None:
    if trained == served:
        return
    at = _first_difference(trained, served)
    raise ConvertError(
        f"{file.name}: token {at} of {_shortened(text)} is {trained[at : at + 1]} where the model was trained "
        f"and {served[at : at + 1]} in the file; {_REMEDY}"
    )


def _first_difference(one: Sequence[object], other: Sequence[object]) -> int:
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:60]}…{text[-20:]}")
