"""Measures of an answer's text: how much it repeats itself. Knows nothing about code."""

from __future__ import annotations

N = 4
"""Words a run."""


def repetition(answer: str) -> float:
    """Share of runs of four words that occurred before in the answer: 0 says nothing twice, near 1 is a loop.

    This is seq-rep-4 of Welleck et al. 2019, Neural Text Generation with Unlikelihood Training, over words between
    white space instead of tokens. An answer of fewer than four words has 0.
    """
    words = answer.split()
    runs = [tuple(words[begin : begin + N]) for begin in range(len(words) - N + 1)]
    return 1 - len(set(runs)) / len(runs) if runs else 0.0
