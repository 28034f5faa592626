"""The preview: one example as it is trained, prompt and answer told apart.

Decoded from the token ids and the label mask that are really used. Records come from anywhere, so whatever could steer
a terminal is written out as an escape. Knows nothing about templates or models.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from trainer.encoding import IGNORED, Example

_PROMPT, _ANSWER, _PLAIN = "\x1b[36m", "\x1b[32m", "\x1b[0m"


def preview(examples: Sequence[Example], tokenizer: Any, *, colours: bool) -> str:
    """The example of middle length below a heading; `examples` has at least one.

    The prompt is cyan and the answer green; without `colours` each part has a heading of its own instead.
    """
    example = sorted(examples, key=lambda one: len(one.input_ids))[len(examples) // 2]
    parts = []
    pairs = zip(example.input_ids, example.labels, strict=True)
    for trained, tokens in itertools.groupby(pairs, key=lambda pair: pair[1] != IGNORED):
        text = visible(tokenizer.decode([token for token, _ in tokens]))
        if colours:
            # Each line by itself, since a progress line may come between.
            colour = _ANSWER if trained else _PROMPT
            parts.append("\n".join(f"{colour}{line}{_PLAIN}" if line else "" for line in text.split("\n")))
        else:
            parts.append(f"{'[answer] ' if trained else '[prompt] '}{text}")
    length, trained_tokens = len(example.input_ids), sum(label != IGNORED for label in example.labels)
    heading = f"One example as it is trained, {length:,} tokens:"
    if colours:
        names = f"{_PROMPT}prompt{_PLAIN}, {_ANSWER}answer{_PLAIN}"
        heading = f"{heading} {names} (only its {trained_tokens:,} are learnt)"
    else:
        heading = f"{heading} only the answer's {trained_tokens:,} are learnt"
    body = "".join(parts) if colours else "\n".join(part.removesuffix("\n") for part in parts)
    return f"{heading}\n{body}"


def visible(text: str) -> str:
    """A text in which every character that isn't printable, but for line ends, is its Python escape."""
    return "".join(
        character if character == "\n" or character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def wants_colours(stream: TextIO, environment: Mapping[str, str] | None = None) -> bool:
    """Whether a stream is a terminal whose user takes colours (no-color.org)."""
    variables = os.environ if environment is None else environment
    return stream.isatty() and not variables.get("NO_COLOR") and variables.get("TERM") != "dumb"
