"""How fast a loaded GGUF file reads a prompt and writes an answer on this machine.

The best of several turns counts: what other programs take away counts against no type. Knows nothing about quality.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from convert.inference import BATCH, Inference

TURNS = 3
"""How often each file is timed, in turn with the others."""
DECODED = 32
"""Tokens written a turn."""
_SHORTEST = 64
"""Fewest tokens of the prompt that is timed."""


@dataclass(frozen=True)
class Speed:
    """Tokens a second."""

    prefill: float
    decode: float

    def seconds(self, prompt: float, answer: float) -> float:
        """What a prompt and an answer of so many tokens take."""
        return prompt / self.prefill + answer / self.decode


def time_in_turn(files: Mapping[str, Inference], prompt: Sequence[int]) -> dict[str, Speed]:
    """The speed of each file, by its name; `prompt` are tokens to read, repeated or cut to a fair length."""
    repeated = (list(prompt) * (1 + _SHORTEST // len(prompt)))[: min(BATCH, max(_SHORTEST, len(prompt)))]
    best = {name: Speed(0.0, 0.0) for name in files}
    for _ in range(TURNS):
        for name, inference in files.items():
            speed = _time(inference, repeated)
            best[name] = Speed(max(best[name].prefill, speed.prefill), max(best[name].decode, speed.decode))
    return best


def _time(inference: Inference, prompt: Sequence[int]) -> Speed:
    inference.forget()
    began = time.perf_counter()
    inference.begin()
    for place, token in enumerate(prompt):
        inference.add(token, place, output=place == len(prompt) - 1)
    inference.compute()
    inference.rows(len(prompt) - 1)  # where a GPU computes, this waits for it
    read = time.perf_counter()
    for place in range(len(prompt), len(prompt) + DECODED):
        inference.begin()
        inference.add(prompt[place % len(prompt)], place, output=True)
        inference.compute()
        inference.rows(0)
    written = time.perf_counter()
    return Speed(len(prompt) / (read - began), DECODED / (written - read))
