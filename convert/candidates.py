"""The candidates: every quantisation that the project lists, as a file, and which of them stay in the bundle.

Types of few bits get the importance matrix of the training records. Knows nothing about how the files are measured.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bundle.errors import ConvertError
from bundle.stage import Progress
from convert.importance import ImportanceMatrix, compute_importance
from convert.passages import Passage
from convert.quantise import bits_of, known_types, quantise
from convert.settings import ConvertSettings

IMPORTANCE = "imatrix.gguf"
"""The importance matrix in a bundle."""


@dataclass(frozen=True)
class Candidate:
    """A file to measure."""

    quantisation: str
    path: Path
    importance: bool = False


def kept_types(settings: ConvertSettings, types: Sequence[str]) -> tuple[str, ...]:
    """The types whose files stay in the bundle, whichever is served.

    Raises:
        ConvertError: one is unknown, or isn't made.
    """
    if settings.keep == "all":
        return tuple(types)
    kept = known_types(settings.keep)
    for name in kept:
        if name not in types:
            raise ConvertError(f"convert.keep: {name} isn't among convert.quantisations; add it there")
    return kept


def make_candidates(
    settings: ConvertSettings,
    unquantised: Candidate,
    types: Sequence[str],
    training: Iterable[Passage] | None,
    name: str,
    out: Path,
    progress: Progress,
) -> list[Candidate]:
    """Write `name`-TYPE.gguf into `out` for each of the `types`, and the importance matrix where one is wanted.

    `training` are passages of training records; None where there are none, and no importance matrix then.
    """
    importance: ImportanceMatrix | None = None
    if training is not None and any(_wants_importance(settings, file_type) for file_type in types):
        about = f"training records of {name}"
        importance = compute_importance(unquantised.path, training, settings.importance_tokens, about, progress)
        importance.write(out / IMPORTANCE)
    candidates = []
    for file_type in types:
        path = out / f"{name}-{file_type}.gguf"
        progress(f"Writing {path.name}")
        weighed = importance if _wants_importance(settings, file_type) else None
        if file_type == unquantised.quantisation:
            os.link(unquantised.path, path)
        else:
            quantise(unquantised.path, path, file_type, os.cpu_count() or 1, weighed)
        candidates.append(Candidate(file_type, path, weighed is not None))
    return candidates


def _wants_importance(settings: ConvertSettings, file_type: str) -> bool:
    bits = bits_of(file_type)
    return bits is not None and bits < settings.importance_bits
