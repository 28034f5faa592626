"""The questions: held-out records of a dataset, drawn by a seed. Knows nothing about who answers them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from bundle.errors import DatasetError
from bundle.records import EVAL, Record, read_records


def held_out(dataset: Path) -> list[Record]:
    """A dataset folder's held-out records, sorted, so that no draw depends on their order in the file.

    Raises:
        DatasetError: the held-out split is missing, damaged or empty.
    """
    path = dataset / EVAL
    records = sorted(read_records(path), key=lambda record: record.model_dump_json())
    if not records:
        raise DatasetError(f"{path}: no held-out records to ask; curate more sources or raise `curation.held_out`")
    return records


def draw_questions(records: Sequence[Record], count: int, seed: int) -> list[Record]:
    """Draw `count` of the sorted records, or all of them where there are fewer; in the order of the draw."""
    return random.Random(seed).sample(records, min(count, len(records)))
