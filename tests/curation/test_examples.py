"""Doctest examples as scripts."""

from __future__ import annotations

import ast

import pytest

from curation.examples import MAX_FIRST, as_printed, read_steps, write_script


def import_for(name: str) -> str | None:
    return {"np": "import numpy as np", "helper": "from lib import helper"}.get(name)


def script(text: str, symbol: str = "numpy.sum", on_instances: bool = False) -> str | None:
    written = write_script(read_steps(text), symbol, on_instances, import_for)
    if written is not None:
        ast.parse(written)
    return written


def test_an_expression_is_printed_with_its_output() -> None:
    assert script(">>> np.sum([1, 2])\n3\n") == "import numpy as np\n\nprint(np.sum([1, 2]))\n# 3"


def test_only_what_the_symbol_needs_is_taken() -> None:
    text = """
    >>> import os
    >>> import numpy as np
    >>> a = np.array([3, 1])
    >>> b = np.array([7])
    >>> b
    array([7])
    >>> a.sort()
    >>> np.sum(a)
    4
    """
    assert script(text) == "import numpy as np\n\na = np.array([3, 1])\na.sort()\nprint(np.sum(a))\n# 4"


def test_a_made_value_is_shown_by_the_next_statement() -> None:
    text = ">>> x = np.sum([1, 2])\n>>> y = 5\n>>> x\n3\n"
    assert script(text) == "import numpy as np\n\nx = np.sum([1, 2])\nprint(x)\n# 3"


def test_an_attribute_of_the_same_name_is_no_use_of_a_function() -> None:
    assert script(">>> a = np.ones(3)\n>>> a.sum()\n3.0\n") is None
    assert script(">>> a = np.ones(3)\n>>> a.sum()\n3.0\n", "numpy.ndarray.sum", True) is not None


def test_another_modules_function_of_the_same_name_is_not_the_symbol() -> None:
    assert script(">>> np.sum([1])\n1\n", "numpy.ma.sum") is None
    assert script(">>> import numpy.ma as ma\n>>> ma.sum([1])\n1\n", "numpy.ma.sum") is not None


def test_a_name_that_nothing_gives_spoils_the_script() -> None:
    assert script(">>> np.sum(nobody_knows)\n3\n") is None
    assert script(
        ">>> np.sum(helper)\n3\n"
    ) == "import numpy as np\nfrom lib import helper\n\nprint(np.sum(helper))\n# 3" or (
        script(">>> np.sum(helper)\n3\n") or ""
    ).startswith("from lib import helper")


def test_failing_skipped_and_broken_statements_are_left_out() -> None:
    text = """
    >>> np.sum(1, 2, 3)
    Traceback (most recent call last):
    TypeError: no
    >>> np.sum([1])  # doctest: +SKIP
    1
    """
    assert script(text) == "import numpy as np\n\nprint(np.sum([1]))"
    assert read_steps(">>> x = (\n") == []
    assert read_steps("  >>> a\n >>>b\n") == []


def test_random_and_elided_outputs_are_not_shown() -> None:
    assert "#" not in (script(">>> np.sum(np.random.rand(3))\n1.53\n") or "")
    assert "#" not in (script(">>> np.sum([1])\n[1 ... 3]\n") or "")


def test_long_examples_are_not_taken() -> None:
    assert script(f">>> np.sum('{'x' * MAX_FIRST}')\n3\n") is None


def test_a_comment_at_the_end_does_not_swallow_the_bracket() -> None:
    assert script(">>> (np.sum([1,\n...   2]))  # two\n3\n") == "import numpy as np\n\nprint((np.sum([1,\n  2])))\n# 3"


def test_loops_and_comprehensions_bring_their_own_names() -> None:
    text = ">>> for i in range(2):\n...     print(np.sum([j for j in range(i)]))\n0\n0\n"
    assert (script(text) or "").startswith("import numpy as np\n\nfor i in range(2):\n")


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("3", "3"),
        ("'text'", "text"),
        ("array([1., 2.])", "[1. 2.]"),
        ("array([[1, 2],\n       [3, 4]])", "[[1 2]\n [3 4]]"),
        ("array([1], dtype=int8)", "[1]"),
        ("array(['a'], dtype='<U1')", ""),
        ("np.float64(2.5)", "2.5"),
        ("np.True_", "True"),
        ("{'a': 1}", "{'a': 1}"),
        ("Decimal('0.1')", ""),
        ("0    1\n1    2\ndtype: int64", "0    1\n1    2\ndtype: int64"),
        ("Index([1], dtype='int64')", "Index([1], dtype='int64')"),
        ("<re.Match object>", ""),
    ],
)
def test_outputs_take_the_form_of_print(shown: str, printed: str) -> None:
    assert as_printed(shown) == printed
