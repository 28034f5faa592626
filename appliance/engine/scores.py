"""Log-probabilities from logits. Knows nothing about models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from appliance.engine.request import TokenScore

Logits = npt.NDArray[np.float32]
"""Rows of raw scores, shape (places, vocabulary)."""


def score(logits: Logits, targets: Sequence[int], top: int) -> list[TokenScore]:
    """The score of `targets[i]` under row i, with the `top` likeliest tokens of each row.

    `logits` has at least as many rows as there are targets; further rows are left alone.
    """
    scores = []
    for row, target in zip(logits, targets, strict=False):
        peak = row.max()
        # The sum in double precision: 32 bits lose the tail of a large vocabulary.
        norm = float(peak) + float(np.log(np.exp(row - peak).sum(dtype=np.float64)))
        best: list[tuple[int, float]] = []
        if top:
            tokens = np.argpartition(row, -top)[-top:]
            tokens = tokens[np.argsort(row[tokens])[::-1]]
            best = [(int(token), float(row[token]) - norm) for token in tokens]
        scores.append(TokenScore(int(target), float(row[target]) - norm, tuple(best)))
    return scores
