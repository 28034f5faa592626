"""An adapter's arithmetic: what it makes of some rows of a weight, in float32.

LoRA (Hu et al. 2021) and DoRA (Liu et al. 2024) as PEFT merges them. Knows nothing about files or names.
"""

from __future__ import annotations

import torch
from torch import Tensor

from convert.adapter import Change


def is_transposed(change: Change, shape: tuple[int, ...], otherwise: bool) -> bool | None:
    """Whether a weight of this shape is stored as [inputs, outputs]; None if the change doesn't fit it at all.

    A square one is taken as `otherwise` says.
    """
    inputs, outputs = change.a.shape[1], change.b.shape[0]
    if change.embedding:
        return True if shape == (inputs, outputs) else None
    if shape == (outputs, inputs):
        return otherwise if inputs == outputs else False
    return True if shape == (inputs, outputs) else None


def in_one_piece(change: Change, transposed: bool) -> bool:
    """Whether the whole weight is needed at once: where DoRA's lengths run across its rows."""
    return change.magnitude is not None and transposed


def add(weight: Tensor, change: Change, rows: slice, transposed: bool) -> Tensor:
    """The adapted values of these rows of a weight, whose own float32 values are given and may be overwritten."""
    a, b = change.a.float(), change.b.float()
    delta = (b @ a[:, rows]).T if transposed else b[rows] @ a
    weight += delta.mul_(change.scale)
    if change.magnitude is None:
        return weight
    across = 0 if transposed else 1
    lengths = torch.linalg.vector_norm(weight, dim=across)
    magnitude = change.magnitude.float()
    factor = (magnitude if transposed else magnitude[rows]) / lengths
    return weight.mul_(factor.unsqueeze(across))
