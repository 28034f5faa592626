"""The sentences of English prose. Knows nothing about markup."""

from __future__ import annotations

import re

_END = re.compile(r"(?<=[.!?])(?<!e\.g\.)(?<!i\.e\.)(?<!etc\.)(?<!cf\.)(?<!vs\.)(?<!resp\.)\s+(?=[A-Z`\"'(\[])")


def sentences(text: str) -> list[str]:
    """The sentences of a paragraph on one line."""
    return [one.strip() for one in _END.split(text) if one.strip()]


def first_sentence(text: str) -> str:
    """The first sentence, with a full stop; empty for an empty text."""
    found = sentences(text)
    return closed(found[0]) if found else ""


def closed(sentence: str) -> str:
    """A sentence that ends with a full stop where it ended with nothing."""
    sentence = sentence.rstrip(" ,;")
    return sentence if not sentence or sentence[-1] in ".!?:" else sentence + "."
