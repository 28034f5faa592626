"""Packing: several records in one row of tokens, each of which sees only itself.

TRL fills the rows (best fit, longest first) and its collator restarts the position ids with each record. transformers
takes a restart for the beginning of another sequence: its masks for eager and SDPA attention are then block-diagonal,
and flash attention gets the sequences' bounds. Knows nothing about models or recipes.
"""

from __future__ import annotations

from datasets import Dataset
from trl import pack_dataset


def pack(records: Dataset, sequence_length: int) -> Dataset:
    """Rows of up to `sequence_length` tokens, with the lengths of the records in each as `seq_lengths`.

    `records` has the columns `input_ids` and `labels`; none may be longer than a row, since TRL would cut it.
    """
    return pack_dataset(records, sequence_length, strategy="bfd")
