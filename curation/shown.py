"""Examples that were run, for the index of the documentation: of more symbols than have records in the dataset.

A dataset whose size is bounded runs what may become a record of it. The index shows every symbol, so one example of
each other symbol is run for it, too. Nothing of what is held out is shown: no reference answer is to be read in the
index. Knows nothing about passages.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from bundle.records import Record
from curation.answer import code_of
from curation.draft import Draft
from curation.leaks import group
from curation.split import is_held_out, position

_USES = ("usage", "property")
"""Kinds of draft that show how a symbol is used."""


def worth_running(drafts: Iterable[Draft], shown: Collection[str], share: float, most: int) -> list[Draft]:
    """Of drafts that no record is made of those that the index wants: one a symbol, in their order.

    Args:
        drafts: what isn't run otherwise.
        shown: symbols of which the index has an example.
        share: the share of the symbols that is held out.
        most: how many; which ones depends on the symbols' names alone.
    """
    found: dict[str, Draft] = {}
    for draft in drafts:
        symbol = draft.provenance.symbol
        if draft.provenance.kind in _USES and symbol not in shown and not is_held_out(symbol, share):
            found.setdefault(symbol, draft)
    chosen = set(sorted(found, key=lambda symbol: position(symbol, "shown"))[:most])
    return [draft for symbol, draft in found.items() if symbol in chosen]


def showable(records: Iterable[Record], held_out: Sequence[Record], share: float) -> list[Record]:
    """Of records whose code was run those that the index may show.

    Args:
        records: kept or not.
        held_out: what is held out; its code is not shown with another symbol either.
        share: the share of the symbols that is held out.
    """
    secret = {code_of(record) for record in held_out} - {""}
    return [one for one in records if not is_held_out(group(one), share) and code_of(one) not in secret]
