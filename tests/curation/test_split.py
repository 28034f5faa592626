"""The split: nobody changes sides, and nothing is on both."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from bundle.errors import DatasetError
from bundle.records import EVAL, TRAIN, Provenance, Record, write_records
from curation.answer import code_of
from curation.duplicates import code_hash
from curation.leaks import leaks, prove
from curation.split import Split, is_held_out, split

WORDS = [f"w{number}" for number in range(400)]


def record(symbol: str, code: str, prose: str = "", question: str = "", url: str = "") -> Record:
    return Record(
        instruction=question or f"How do I use {symbol} with {code}?",
        output=f"{prose or f'It is {symbol}.'}\n\n```python\n{code}\n```",
        provenance=Provenance(
            source="package", package="lib", version="1", symbol=symbol, kind="usage", licence="MIT", url=url
        ),
    )


def corpus(seed: int, size: int) -> list[Record]:
    """Records that share symbols and codes at random, and now and then are nearly another one."""
    draw = random.Random(seed)
    records: list[Record] = []
    for number in range(size):
        if records and draw.random() < 0.1:
            old = draw.choice(records)
            prose = old.output.partition("\n\n```")[0].replace("w1", "w2")
            records.append(record(f"lib.f{draw.randrange(60)}", code_of(old).strip() + " ", prose, f"Q{number}?"))
        else:
            prose = " ".join(draw.choices(WORDS, k=30))
            records.append(record(f"lib.f{draw.randrange(60)}", f"print({draw.randrange(500)})", prose, f"Q{number}?"))
    return records


def sides(found: Split) -> dict[str, str]:
    return {
        **{one.instruction: "train" for one in found.train},
        **{one.instruction: "held out" for one in found.held_out},
    }


def side_of_symbol(held_out: bool, start: int = 0) -> str:
    return next(f"lib.s{n}" for n in range(start, 1000) if is_held_out(f"lib.s{n}", 0.2) == held_out)


TRAINED, HELD = side_of_symbol(False), side_of_symbol(True)
LONG = " ".join(WORDS[:40])


def test_the_share_is_met_and_grows_without_anybody_leaving() -> None:
    symbols = [f"library.function{number}" for number in range(5000)]
    held = [symbol for symbol in symbols if is_held_out(symbol, 0.1)]
    assert 420 < len(held) < 580
    assert set(held) <= {symbol for symbol in symbols if is_held_out(symbol, 0.2)}


@pytest.mark.parametrize("seed", range(4))
def test_a_growing_corpus_moves_nobody_to_the_other_side(seed: int) -> None:
    records = corpus(seed, 210)
    before: dict[str, str] = {}
    for size in (70, 140, 210):
        found = split(records[:size], 0.2, 0.85)
        now = sides(found)
        assert len(now) + len(found.leaked) == size
        for question, side in before.items():
            assert now.get(question, side) == side
            assert side == "held out" or question in now, "nothing that is trained on is dropped"
        before = now
        assert {one.provenance.symbol for one in found.train}.isdisjoint(
            one.provenance.symbol for one in found.held_out
        )
        codes = [{code_hash(code_of(one)) for one in side} for side in (found.train, found.held_out)]
        assert codes[0].isdisjoint(codes[1])
        assert leaks(found.train, found.held_out) == []
    assert found.leaked and found.held_out and {reason.code for _, reason in found.leaked} == {"leak"}


def test_the_order_of_the_records_changes_no_side() -> None:
    records = corpus(1, 150)
    found = sides(split(records, 0.2, 0.85))
    random.Random(0).shuffle(records)
    assert sides(split(records, 0.2, 0.85)) == found


@pytest.mark.parametrize(
    ("held", "trained", "detail"),
    [
        (record(HELD, "print( 'a' )  # x"), record(TRAINED, 'print("a")'), "its code is trained on"),
        (
            record(HELD, "print(1, 2, 3, 4)", LONG, "What is it?"),
            record(TRAINED, "print(1, 2, 3, 4, 5)", LONG, "What is it?"),
            "like",
        ),
        (
            record(HELD, "print(1)", LONG, "What is it?"),
            record(TRAINED, "import os\nfor x in os.listdir():\n    print(x)", " ".join(WORDS[:300]), "And this?"),
            "13-grams stand in",
        ),
    ],
)
def test_what_links_the_sides_goes_from_the_held_out_one(held: Record, trained: Record, detail: str) -> None:
    other = record(side_of_symbol(True, 300), "import this", "Nothing of the sort at all.")
    found = split([held, trained, other], 0.2, 0.85)
    assert found.train == [trained] and found.held_out == [other]
    [(gone, reason)] = found.leaked
    assert gone == held and reason.code == "leak" and detail in reason.detail


def test_common_phrases_are_no_leak() -> None:
    trained = [record(f"lib.t{n}", f"print({n})", f"{LONG} {' '.join(WORDS[60 + n : 90 + n])}") for n in range(30)]
    held = record(HELD, "import this", LONG)
    assert leaks(trained[:3], [held]) != []
    assert leaks(trained, [held]) == []


def test_records_about_no_symbol_go_with_their_page() -> None:
    pages = [f"guide/page{number}.html" for number in range(60)]
    records = [
        record("", f"print({n}, {m})", question=f"Q {n} {m}", url=f"{page}#part{m}")
        for n, page in enumerate(pages)
        for m in range(3)
    ]
    found = split(records, 0.2, 0.99)
    both = [{one.provenance.url.partition("#")[0] for one in side} for side in (found.train, found.held_out)]
    assert both[0].isdisjoint(both[1]) and len(both[0]) > len(both[1]) > 2


def test_nothing_near_the_suite_is_on_either_side() -> None:
    records = [
        record(TRAINED, "print(1)", f"It says: {LONG}"),
        record(HELD, "print(2)", "Reverse the rows of a frame quickly, please."),
        record(TRAINED, "print(3)", "Something else."),
        record(HELD, "print(4)", "Not this one."),
    ]
    suite = [f"before {' '.join(WORDS[10:24])} after", "Reverse the rows of a frame", "Something else."]
    found = split(records, 0.2, 0.85, suite)
    assert [one.output for one, _ in found.leaked] == [records[0].output, records[1].output]
    assert all("evaluation suite" in reason.detail for _, reason in found.leaked)
    assert found.train == [records[2]] and found.held_out == [records[3]]


def test_the_proof_reads_what_was_written(tmp_path: Path) -> None:
    trained, held = record(TRAINED, "print(1)"), record(HELD, "print(2)", "Quite another thing.")
    write_records(tmp_path / TRAIN, [trained])
    write_records(tmp_path / EVAL, [held])
    prove(tmp_path)
    with pytest.raises(DatasetError, match="1 records leak; the first is about") as caught:
        prove(tmp_path, ["how do i use " + HELD.replace(".", " ") + " with print"])
    assert "\n" not in str(caught.value)
    write_records(tmp_path / EVAL, [record(HELD, "print(1)", "Quite another thing.")])
    with pytest.raises(DatasetError, match="its code is trained on"):
        prove(tmp_path)
    write_records(tmp_path / EVAL, [record(TRAINED, "print(7)", "Quite another thing.")])
    with pytest.raises(DatasetError, match=f"{TRAINED} is trained on"):
        prove(tmp_path)
