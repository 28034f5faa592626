"""From a batch's token ids back to the records that it was made of, to name them when something is wrong with it.

Knows nothing about models.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence

from bundle.records import Record
from bundle.template import PromptTemplate
from trainer.encoding import Tokenizer, encode

_SHOWN = 60


def records_of(
    rows: Sequence[Sequence[int]], records: Iterable[Record], template: PromptTemplate, tokenizer: Tokenizer
) -> Iterator[Record]:
    """Yield the records whose tokens are in `rows`: one a row, or several where they are packed."""
    texts = [array("q", row).tobytes() for row in rows]
    longest = max((len(row) for row in rows), default=0)
    for record in records:
        for example in encode([record], template, tokenizer, longest).examples:
            wanted = array("q", example.input_ids).tobytes()
            if any(wanted in text for text in texts):
                yield record


def name_of(record: Record) -> str:
    """A record as a person finds it again: the symbol it is about and how its question begins."""
    question = " ".join(record.instruction.split())
    begins = question if len(question) <= _SHOWN else question[: _SHOWN - 1] + "…"
    return f"{record.provenance.symbol} (“{begins}”)"
