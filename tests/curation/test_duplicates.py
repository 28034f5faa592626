"""Duplicates: what is planted is caught under its own reason, and siblings of one template stay."""

from __future__ import annotations

import time

import pytest

from bundle.records import Provenance, Record
from curation.duplicates import Duplicates, code_hash
from curation.settings import Filters
from curation.shingles import Index, Shingles, grams, jaccard, shingles

CODE = "import numpy as np\n\nx = np.arange(6).reshape(2, 3)\nprint(np.{0}(x, axis=0))\n# {1}"
PROSE = (
    "`numpy.{0}` returns the {1} of the elements of an array along the given axis. The input has to be an array, or "
    "something that can be made one; the axis is counted from zero, and a tuple of axes is taken as well."
)
POINTS = (
    "- `a`: The array whose elements are taken.\n"
    "- `axis`: The axis along which it is computed; all of them by default.\n"
    "- Returns: An array without that axis."
)


def record(
    question: str = "How do I use `numpy.sum`?",
    prose: str = PROSE.format("sum", "sum"),
    code: str = CODE.format("sum", "[3 5 7]"),
    symbol: str = "numpy.sum",
    points: str = POINTS,
) -> Record:
    return Record(
        instruction=question,
        output=f"{prose}\n\n```python\n{code}\n```\n\n{points}",
        provenance=Provenance(
            source="package", package="numpy", version="2", symbol=symbol, kind="usage", licence="BSD-3-Clause"
        ),
    )


def code_of_reason(judge: Duplicates, one: Record) -> str:
    reason = judge.reason(one)
    return reason.code if reason else ""


def test_the_same_question_is_a_duplicate_whatever_the_answer() -> None:
    judge = Duplicates(Filters())
    assert judge.reason(record()) is None
    found = judge.reason(record("how do I  use `numpy.sum`?", "Something else altogether.", "print(1)"))
    assert found is not None and found.code == "duplicate" and "numpy.sum" in found.detail


def test_a_reworded_record_is_a_near_duplicate() -> None:
    judge = Duplicates(Filters())
    assert judge.reason(record()) is None
    reworded = PROSE.format("sum", "sum").replace("has to be an array", "must be an array")
    found = judge.reason(record("Show me how `numpy.sum` is used.", reworded))
    assert found is not None and found.code == "near-duplicate", found
    assert float(found.detail.split()[0]) >= 0.85


def test_siblings_of_one_template_stay() -> None:
    judge = Duplicates(Filters())
    siblings = ["sum", "mean", "std", "var", "min", "max", "median", "prod", "ptp", "any"]
    found = [
        code_of_reason(
            judge,
            record(f"How do I use `numpy.{name}`?", PROSE.format(name, name), CODE.format(name, n), f"numpy.{name}"),
        )
        for n, name in enumerate(siblings)
    ]
    assert found == [""] * len(siblings)


def test_the_same_code_is_kept_so_often_and_no_more() -> None:
    questions = ["How do I add up?", "Which type comes out of a sum?", "What does axis do there?"]
    proses = ["Adding is done column by column here.", "The result has the type of its input.", "It names the axis."]
    spelt = [
        CODE.format("sum", 1),
        CODE.format("sum", 2).replace("axis=0", "axis = 0"),
        "# why\n" + CODE.format("sum", 3),
    ]
    for most in (1, 2):
        judge = Duplicates(Filters(records_a_code=most))
        found = [
            code_of_reason(judge, record(*parts, points="")) for parts in zip(questions, proses, spelt, strict=True)
        ]
        assert found == [""] * most + ["code-repeated"] * (3 - most)


def test_a_rejected_record_is_nobodys_duplicate() -> None:
    judge = Duplicates(Filters(records_a_code=1))
    assert judge.reason(record()) is None
    again = record("A question of its own?")
    assert code_of_reason(judge, again) == "code-repeated"
    assert judge.reason(record("A question of its own?", "Words of another kind.", "print(5)", points="")) is None


@pytest.mark.parametrize(
    "code",
    ["x = 'a'  # set\nprint( x )", 'x = "a"\n\n\nprint(x)', "# before\nx = 'a'\nprint(x)\n# a"],
)
def test_code_hash_does_not_see_comments_blanks_and_quotes(code: str) -> None:
    assert code_hash(code) == code_hash("x = 'a'\nprint(x)")
    assert code_hash(code) != code_hash("x = 'b'\nprint(x)")


@pytest.mark.parametrize("code", ["x = (", "\0", "(" * 5000 + ")" * 5000, "-" * 50_000 + "1", "x\ud800"])
def test_hostile_code_has_a_hash_all_the_same(code: str) -> None:
    if "\ud800" in code:
        code = code.encode("utf-8", "replace").decode()
    assert len(code_hash(code)) == 64


def test_similarity_is_exact_and_symmetric() -> None:
    one, other = grams("a b c d e", 3), grams("b c d e f", 3)
    assert jaccard(one, other) == jaccard(other, one) == 2 / 4
    assert jaccard(grams("", 3), grams("", 3)) == 1 and jaccard(one, grams("", 3)) == 0
    assert len(grams("one two", 3)) == 1 and not set(grams("one two", 3)) & set(grams("one two three", 3))


def test_the_estimate_is_near_the_truth() -> None:
    reworded = PROSE.format("sum", "sum").replace("has to be an array", "must be an array")
    one, other = shingles(record()), shingles(record("Show me `numpy.sum`.", reworded, CODE.format("mean", 1)))
    estimate = one.sketch.jaccard(other.sketch)
    assert abs(estimate - one.similarity(other)) < 0.15
    assert 0.4 < one.similarity(other) < 0.85


@pytest.mark.parametrize("similarity", [0.85, 0.7, 1.0])
def test_of_many_told_in_one_form_none_that_is_alike_is_missed(similarity: float) -> None:
    index = Index(similarity)
    added: list[Shingles] = []
    found = 0
    for number in range(500):  # more than the index first has room for
        words = " ".join(f"w{place}" for place in range(number % 5, 60)) + f" as in example {number % 100}"
        one = shingles(record(f"How is {number % 100} computed?", words, f"print({number % 50}, {number % 2})"))
        alike = [(place, score) for place, known in enumerate(added) if (score := one.similarity(known)) >= similarity]
        assert list(index.alike(one)) == alike
        found += len(alike)
        index.add(one)
        added.append(one)
    assert found


def test_many_take_seconds_and_give_the_same_each_time() -> None:
    words = [f"word{n * n % 997} of{n * 7 % 991}" for n in range(3000)]
    records = [
        record(f"Question {n}?", " ".join(words[n : n + 20]), f"print({n} + {n % 1000})", f"numpy.f{n}")
        for n in range(400)
    ]
    began = time.process_time()
    judge, again = Duplicates(Filters()), Duplicates(Filters())
    first = [judge.reason(one) for one in records]
    assert time.process_time() - began < 10
    assert first == [again.reason(one) for one in records]
