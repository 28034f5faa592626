"""Passages in a room of a given length: each in the longest form that fits."""

from __future__ import annotations

import pytest

from bundle.grounding import fitting
from bundle.passages import Passage

SORT = Passage(
    symbol="numpy.sort",
    title="numpy.sort",
    kind="function",
    signature="(a)",
    summary="Return a sorted copy of an array.",
    parameters="a: Array to be sorted.",
    example="import numpy as np\n\nprint(np.sort([2, 1]))",
    package="numpy",
    version="2",
)
WHOLE, EXAMPLE, BRIEF = (len(SORT.text(form)) for form in ("whole", "example", "brief"))


@pytest.mark.parametrize(
    ("room", "forms"),
    [
        (2 * WHOLE, ["whole", "whole"]),
        (WHOLE + EXAMPLE, ["whole", "example"]),
        (WHOLE, ["whole"]),
        (WHOLE - 1, ["example"]),
        (EXAMPLE - 1, ["brief"]),
        (BRIEF - 1, []),
    ],
)
def test_a_passage_loses_its_parameters_first_and_then_its_example(room: int, forms: list[str]) -> None:
    found = fitting([SORT, SORT], [], room, len)
    assert [source.form for source in found.sources] == forms
    assert all(("Array to be sorted" in one.text) == (one.form == "whole") for one in found.sources)
    assert all(("np.sort(" in one.text) == (one.form != "brief") for one in found.sources)
