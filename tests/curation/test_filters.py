"""Each filter's reason, found by a planted record, and nothing clean lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from bundle.records import Record
from curation.entries import Entry
from curation.filters import RecordFilter
from curation.settings import Filters
from curation.split import caps, is_held_out
from symbols.table import SymbolTable

MakeEntry = Callable[..., Entry]
PROSE = "`math.sqrt` returns the square root of the number x."


def answer(code: str, prose: str = PROSE, rest: str = "") -> str:
    return f"{prose}\n\n```python\n{code}\n```{rest}"


GOOD = answer("import math\n\nprint(math.sqrt(9))")


@pytest.mark.parametrize(
    ("code", "output"),
    [
        ("too-short", "Too short."),
        ("too-long", GOOD + "\n\n" + "More words. " * 200),
        ("no-python-block", PROSE + " There is no code in this answer at all."),
        ("no-python-block", answer("")),
        ("no-python-block", GOOD + "\n\n```python\nimport math\n```"),
        ("syntax", answer("import math\nmath.sqrt(9")),
        ("symbol-not-used", answer("import math\n\nprint(math.floor(9.5))")),
        ("symbol-not-used", answer("from math import sqrt")),
        ("unknown-symbol", answer("import math\n\nmath.sqrt(math.sqroot(3))")),
        ("unknown-symbol", answer("import maths\n\nmaths.sqrt(3)")),
        ("unknown-symbol", answer("import json\nimport math\n\nmath.sqrt(json.JSONDecoder(stict=3))")),
        ("low-quality", answer("import math\nmath.sqrt(9)", "`math.sqrt`: See ::.")),
        ("low-quality", answer("import math\nmath.sqrt(9)", "`math.sqrt`: Root.")),
        ("low-quality", answer("import math\nmath.sqrt(9)", "`math.sqrt` is an alias for field number 3.")),
        ("low-quality", answer("import math\nmath.sqrt(9)", rest="\n\n>>> math.sqrt(9)")),
    ],
)
def test_planted_faults(table: SymbolTable, entry: MakeEntry, code: str, output: str) -> None:
    one = entry()
    record = Record(instruction="How?", output=output, provenance=one.provenance("call"))
    reason = RecordFilter(Filters(), table).judge(record, one)
    assert reason is not None and reason.code == code, reason


def test_a_clean_record_passes_once(table: SymbolTable, entry: MakeEntry) -> None:
    one = entry()
    judge = RecordFilter(Filters(), table)
    record = Record(instruction="How?", output=GOOD, provenance=one.provenance("call"))
    assert judge.judge(record, one) is None
    repeated = judge.judge(record.model_copy(update={"instruction": "How else?"}), one)
    assert repeated is not None and repeated.code == "duplicate"
    other = record.model_copy(update={"output": GOOD.replace("9", "16")})
    asked = judge.judge(other, one)
    assert asked is not None and asked.code == "duplicate", "one question has one answer"


def test_a_rejected_record_is_nobodys_duplicate(table: SymbolTable, entry: MakeEntry) -> None:
    one = entry()
    judge = RecordFilter(Filters(), table)
    bad = Record(instruction="How?", output=answer("import math\nmath.floor(1)"), provenance=one.provenance("call"))
    assert judge.judge(bad, one) is not None
    assert judge.judge(bad.model_copy(update={"output": GOOD}), one) is None


def test_deprecated_symbols_are_out(table: SymbolTable, entry: MakeEntry) -> None:
    one = entry(deprecated=True)
    record = Record(instruction="How?", output=GOOD, provenance=one.provenance("call"))
    reason = RecordFilter(Filters(), table).judge(record, one)
    assert reason is not None and reason.code == "deprecated"


def test_a_symbols_side_does_not_change_and_the_share_is_met() -> None:
    symbols = [f"library.function{number}" for number in range(5000)]
    held = [symbol for symbol in symbols if is_held_out(symbol, 0.1)]
    assert 420 < len(held) < 580
    assert held == [symbol for symbol in symbols if is_held_out(symbol, 0.1)]
    assert set(held) <= {symbol for symbol in symbols if is_held_out(symbol, 0.2)}


def test_caps() -> None:
    limits = caps(Counter(a=4000, b=1500, c=1300, d=60), 0.45)
    assert limits["a"] <= 0.45 * sum(limits.values()) + 1
    assert {name: limits[name] for name in "bcd"} == {"b": 1500, "c": 1300, "d": 60}
    assert caps({"only": 900}, 0.45) == {"only": 900}
    assert caps({"a": 900, "b": 100}, 0.45) == {"a": 900, "b": 100}
    assert min(caps({"a": 1500, "b": 1500, "c": 60}, 0.45).values()) == 60
    assert sum(caps({"a": 1500, "b": 1500, "c": 60}, 0.45).values()) > 2000
    assert caps({}, 0.45) == {}
