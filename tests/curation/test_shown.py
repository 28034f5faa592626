"""Which examples the index may show beyond the records, and that nothing of what is held out is among them."""

from __future__ import annotations

from bundle.records import Provenance, Record
from curation.draft import Draft, Kind
from curation.shown import showable, worth_running
from curation.split import is_held_out

SHARE = 0.3
NAMES = [f"zoo.feed_{number}" for number in range(60)]
TRAINED = [name for name in NAMES if not is_held_out(name, SHARE)]
HELD_OUT = [name for name in NAMES if is_held_out(name, SHARE)]


def about(symbol: str, kind: Kind) -> Provenance:
    return Provenance(source="", package="zoo", version="1", symbol=symbol, kind=kind, licence="")


def draft(symbol: str, kind: Kind = "usage", code: str = "") -> Draft:
    return Draft("How?", f"`{symbol}` feeds.", code or f"{symbol}()", (), about(symbol, kind))


def record(symbol: str, code: str = "") -> Record:
    output = f"So.\n\n```python\n{code or symbol + '()'}\n```"
    return Record(instruction="How?", output=output, provenance=about(symbol, "usage"))


def test_one_use_of_each_symbol_that_nothing_shows() -> None:
    drafts = [draft(name, kind) for name in NAMES for kind in ("error", "property", "usage")]
    chosen = worth_running(drafts, {TRAINED[0]}, SHARE, 100)
    assert [one.provenance.symbol for one in chosen] == TRAINED[1:]
    assert {one.provenance.kind for one in chosen} == {"property"}


def test_how_many_are_run_is_bounded_and_which_hangs_on_no_order() -> None:
    drafts = [draft(name) for name in NAMES]
    chosen = worth_running(drafts, (), SHARE, 10)
    assert len(chosen) == 10 and chosen != drafts[:10]
    assert {one.provenance.symbol for one in worth_running(drafts[::-1], (), SHARE, 10)} == {
        one.provenance.symbol for one in chosen
    }


def test_nothing_held_out_is_shown() -> None:
    records = [record(name) for name in NAMES]
    shared = record(TRAINED[0], f"{HELD_OUT[0]}()")
    shown = showable([*records, shared], [record(HELD_OUT[0])], SHARE)
    assert [one.provenance.symbol for one in shown] == TRAINED
