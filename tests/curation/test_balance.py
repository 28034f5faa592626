"""Balance: no cap is exceeded, the best stay, and the order of the records changes nothing."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from bundle.records import Provenance, Record
from curation.balance import Balanced, balance, bound
from curation.settings import CurationSettings, Filters, PackageSource

SOURCES = (PackageSource(packages=("json",)),)


def record(number: int, package: str = "a", kind: str = "usage", symbol: str = "", written: bool = False) -> Record:
    return Record(
        instruction=f"Question {number}?",
        output=f"Answer {number} about {package}.",
        provenance=Provenance(
            source="package",
            package=package,
            version="1",
            symbol=symbol or f"{package}.f{number}",
            kind=kind,
            licence="MIT",
            written=written,
        ),
    )


def settings(symbol: int = 6, kind: float = 1.0, share: float = 0.999, max_records: int = 0) -> CurationSettings:
    filters = Filters(records_a_symbol=symbol, max_kind_share=kind)
    return CurationSettings(sources=SOURCES, filters=filters, max_share=share, max_records=max_records)


def libraries(found: Balanced) -> Counter[str]:
    return Counter(one.provenance.package for one in found.kept)


def kinds(found: Balanced) -> Counter[str]:
    return Counter(one.provenance.kind for one in found.kept)


@pytest.mark.parametrize(
    ("counts", "share", "expected"),
    [
        ([100, 100, 100], 0.4, 120),
        ([900, 50, 50, 50], 0.4, 100),
        ([4000, 3500, 1000], 0.4, 2000),
        ([100, 100, 100], 1 / 3, 100),
        ([500, 500], 0.4, 0),
        ([], 0.4, 0),
    ],
)
def test_bound(counts: list[int], share: float, expected: int) -> None:
    assert bound(counts, share) == expected
    held = [min(count, expected) for count in counts]
    assert all(count <= share * sum(held) + 1e-6 for count in held)


@pytest.mark.parametrize("seed", range(20))
def test_no_cap_is_exceeded_and_what_goes_has_its_reason(seed: int) -> None:
    draw = random.Random(seed)
    records = [
        record(n, draw.choice("aaaaaabbbccde"), draw.choice(["usage"] * 6 + ["returns", "error", "section"]))
        for n in range(1500)
    ]
    found = balance(records, settings(kind=0.5, share=0.4))
    kept = len(found.kept)
    assert max(libraries(found).values()) <= 0.4 * kept
    assert max(kinds(found).values()) <= 0.5 * kept
    assert kept + len(found.dropped) == len(records) and kept > 700
    assert {reason.code for _, reason in found.dropped} == {"balance"}
    capped = {one.provenance.package for one, _ in found.dropped} | {one.provenance.kind for one, _ in found.dropped}
    assert all(reason.detail.split(" has its ")[0] in capped for _, reason in found.dropped)


def test_nothing_goes_without_need() -> None:
    records = [record(n, "abc"[n % 3], ["usage", "error", "returns"][n % 3]) for n in range(90)]
    assert balance(records, settings(kind=0.5, share=0.4)).dropped == []
    assert balance([], settings()).kept == []


def test_few_and_unequal_libraries_lose_little() -> None:
    one = [record(n) for n in range(50)]
    assert balance(one, settings(share=0.4)).dropped == []
    two = [record(n, "b" if n < 10 else "a") for n in range(100)]
    assert balance(two, settings(share=0.4)).dropped == []
    three = [record(n, "ab"[n % 2]) for n in range(3000)] + [record(n, "c") for n in range(60)]
    assert libraries(balance(three, settings(share=0.4))) == {"a": 1020, "b": 1020, "c": 60}


def test_a_symbol_keeps_its_records_of_many_kinds() -> None:
    records = [record(n, symbol="a.f", kind=["usage", "usage", "usage", "error", "returns"][n % 5]) for n in range(50)]
    found = balance([*records, record(99, symbol="a.g")], settings(symbol=6))
    assert kinds(found) == {"usage": 3, "error": 2, "returns": 2}
    assert all(reason.detail == "a.f has its 6 records" for _, reason in found.dropped)


def test_records_about_no_symbol_are_not_one_symbol() -> None:
    records = [
        one.model_copy(update={"provenance": one.provenance.model_copy(update={"symbol": ""})})
        for one in map(record, range(20))
    ]
    assert balance(records, settings(symbol=2)).dropped == []


def test_the_best_stay() -> None:
    records = [
        *(record(n, symbol=f"a.shallow{n}") for n in range(10)),
        *(record(n, symbol=f"a.b.c.deep{n}") for n in range(10, 20)),
        *(record(n, written=True) for n in range(20, 30)),
        *(record(n, "b") for n in range(30, 38)),
        *(record(n, "c") for n in range(38, 46)),
    ]
    found = balance(records, settings(share=0.4))
    kept = [one.provenance for one in found.kept if one.provenance.package == "a"]
    assert len(kept) == 15, "an equal part"
    assert [one.written for one in kept] == [False] * 15
    assert sum(one.symbol.startswith("a.shallow") for one in kept) == 10


def test_a_first_record_of_a_symbol_goes_before_a_second() -> None:
    records = [
        *(record(n, symbol=f"a.f{n % 20}") for n in range(40)),
        *(record(n, "b") for n in range(40, 50)),
        *(record(n, "c") for n in range(50, 60)),
    ]
    kept = [one.provenance.symbol for one in balance(records, settings(share=0.4)).kept]
    assert len([name for name in kept if name.startswith("a.")]) == 20
    assert len(set(kept)) == len(kept)


def test_the_whole_has_its_size_in_the_same_proportions() -> None:
    records = [record(n, "aabc"[n % 4], ["usage", "error", "returns"][n % 3]) for n in range(1200)]
    found = balance(records, settings(max_records=300))
    assert len(found.kept) == 300
    assert libraries(found) == {"a": 150, "b": 75, "c": 75}
    assert {reason.detail for _, reason in found.dropped} == {"the dataset has its 300 records"}


def test_the_order_changes_nothing() -> None:
    draw = random.Random(3)
    records = [record(n, draw.choice("aaabc"), draw.choice(["usage", "error"]), f"x.f{n % 70}") for n in range(500)]
    kept = {one.instruction for one in balance(records, settings(3, 0.5, 0.4, 150)).kept}
    for _ in range(3):
        draw.shuffle(records)
        found = balance(records, settings(3, 0.5, 0.4, 150))
        assert {one.instruction for one in found.kept} == kept
        assert [one for one in records if one.instruction in kept] == found.kept, "in the order in which they came"
