"""The questions: held-out records of a dataset, drawn by a seed. Knows nothing about who answers them."""

from __future__ import annotations

import random
from pathlib import Path

from bundle.errors import DatasetError
from bundle.records import EVAL, Record, read_records


def draw_questions(dataset: Path, count: int, seed: int) -> tuple[list[Record], int]:
    """Draw `count` held-out records of a dataset folder, or all of them where there are fewer.

    The records are sorted first, so the draw depends on what they are and not on their order in the file.

    Returns:
        The drawn records, in the order of the draw, and how many there were to draw from.

    Raises:
        DatasetError: the held-out split is missing, damaged or empty.
    """
    path = dataset / EVAL
    records = sorted(read_records(path), key=lambda record: record.model_dump_json())
    if not records:
        raise DatasetError(f"{path}: no held-out records to ask; curate more sources or raise `curation.held_out`")
    return random.Random(seed).sample(records, min(count, len(records))), len(records)
