"""Examples as scripts: the statements that are needed, imports on top, values printed."""

from __future__ import annotations

import ast

import pytest

from curation.compose.examples import RANDOM, read_snippets
from curation.compose.imports import Imports
from curation.compose.phrasings import load_phrasings
from curation.compose.script import Example, pruned
from curation.entries import Snippet
from symbols.table import SymbolTable


def example(text: str, table: SymbolTable, form: str = "session", module: str = "math") -> Example:
    steps = read_snippets([Snippet(source=text, form=form)])  # type: ignore[arg-type]
    return Example(steps, Imports(module, table, load_phrasings()))


def last_script(text: str, table: SymbolTable, form: str = "session") -> str | None:
    """The script of the last statement."""
    made = example(text, table, form)
    script = made.script(made.needed(len(made.steps) - 1))
    if script is not None:
        ast.parse(script.code)
    return script.code if script is not None else None


def test_an_expression_is_printed_and_what_it_needs_is_imported(table: SymbolTable) -> None:
    assert last_script(">>> sqrt(4)\n2.0\n", table) == "from math import sqrt\n\nprint(sqrt(4))"
    assert last_script(">>> json.dumps([1])\n'[1]'\n", table) == "import json\n\nprint(json.dumps([1]))"


def test_what_shows_nothing_is_not_printed(table: SymbolTable) -> None:
    assert last_script(">>> a = [2, 1]\n>>> a.sort()\n", table) == "a = [2, 1]\na.sort()"
    assert last_script(">>> print(3)\n3\n", table) == "print(3)"


def test_only_what_is_needed_is_taken(table: SymbolTable) -> None:
    text = """
    >>> import json
    >>> from math import floor, sqrt
    >>> a = [3, 1]
    >>> b = [7]
    >>> b
    [7]
    >>> a.sort()
    >>> sqrt(a[0])
    1.0
    """
    assert last_script(text, table) == "from math import sqrt\n\na = [3, 1]\na.sort()\nprint(sqrt(a[0]))"


def test_the_nearest_assignment_above_counts(table: SymbolTable) -> None:
    assert last_script(">>> a = 1\n>>> a = 2\n>>> a\n2\n", table) == "a = 2\nprint(a)"


def test_a_call_of_a_module_changes_no_module_but_the_random_state_is_kept(table: SymbolTable) -> None:
    assert last_script(">>> import re\n>>> re.purge()\n>>> re.escape('.')\n'x'\n", table) == (
        "import re\n\nprint(re.escape('.'))"
    )
    text = ">>> import random\n>>> random.seed(1)\n>>> x = 3\n>>> random.random()\n0.5\n"
    assert last_script(text, table) == "import random\n\nrandom.seed(1)\nprint(random.random())"
    assert RANDOM in example(text, table).steps[1].changes


def test_a_name_from_nowhere_spoils_the_script(table: SymbolTable) -> None:
    assert last_script(">>> sqrt(nobody_knows)\n3\n", table) is None


def test_star_imports_become_named_ones(table: SymbolTable) -> None:
    assert last_script(">>> from pathlib import *\n>>> PurePath('a').name\n'a'\n", table) == (
        "from pathlib import PurePath\n\nprint(PurePath('a').name)"
    )


def test_failing_skipped_and_unfinished_statements_are_known(table: SymbolTable) -> None:
    text = """
    >>> sqrt(-1)
    Traceback (most recent call last):
    ValueError: no
    >>> sqrt(1)  # doctest: +SKIP
    1.0
    >>> sqrt(...)
    >>> input()
    """
    steps = example(text, table).steps
    assert [step.raised for step in steps] == ["ValueError", "", "", ""]
    assert [step.skipped for step in steps] == [False, True, True, True]
    assert "doctest" not in steps[1].source


def test_broken_code_gives_no_statement(table: SymbolTable) -> None:
    assert example(">>> x = (\n", table).steps == []
    assert example("  >>> a\n >>>b\n", table).steps == []
    assert example("def f(:", table, "script").steps == []
    assert example("\x00", table, "script").steps == []


def test_a_script_keeps_comments_and_shows_bare_values(table: SymbolTable) -> None:
    text = "# first\na = 1\na + 1\n'out'\n', '.join('ab')\na.bit_length()\n"
    made = example(text, table, "script")
    script = made.script(range(len(made.steps)))
    assert script is not None
    assert script.code == "# first\na = 1\nprint(a + 1)\nprint(', '.join('ab'))\na.bit_length()"


def test_several_statements_on_a_line_are_several(table: SymbolTable) -> None:
    assert last_script(">>> a = 1; b = 2\n>>> b\n2\n", table) == "b = 2\nprint(b)"


def test_a_comment_at_the_end_does_not_swallow_the_bracket(table: SymbolTable) -> None:
    text = ">>> (sqrt(4) +\n...   2)  # two\n4.0\n"
    assert last_script(text, table) == "from math import sqrt\n\nprint((sqrt(4) +\n  2))"


def test_loops_print_what_the_prompt_shows(table: SymbolTable) -> None:
    text = ">>> for i in range(2):\n...     i\n0\n1\n"
    assert last_script(text, table) == "for i in range(2):\n    print(i)"


def test_a_function_of_the_example_that_prints_is_only_called(table: SymbolTable) -> None:
    text = ">>> def greet():\n...     print('hi')\n>>> greet()\nhi\n"
    code = last_script(text, table)
    assert code is not None and code.endswith("\n\ngreet()")


def test_the_same_assignment_is_made_once_unless_it_changed(table: SymbolTable) -> None:
    made = example(">>> a = [1]\n>>> a\n[1]\n>>> a = [1]\n>>> a.pop()\n1\n>>> a = [1]\n>>> a\n[1]\n", table)
    script = made.script(range(len(made.steps)))
    assert script is not None
    assert script.code == "a = [1]\nprint(a)\nprint(a.pop())\na = [1]\nprint(a)"


def test_an_assignment_is_made_again_where_what_it_uses_has_changed(table: SymbolTable) -> None:
    made = example(">>> a = 1\n>>> b = a\n>>> a = 2\n>>> b = a\n>>> b\n2\n", table)
    script = made.script(range(len(made.steps)))
    assert script is not None and script.code == "a = 1\nb = a\na = 2\nb = a\nprint(b)"


def test_a_call_that_shows_a_value_may_change_its_object(table: SymbolTable) -> None:
    text = ">>> a = [1, 2]\n>>> a.pop()\n2\n>>> it = iter(a)\n>>> next(it)\n1\n>>> list(it)\n[]\n"
    assert last_script(text, table) == ("a = [1, 2]\nprint(a.pop())\nit = iter(a)\nprint(next(it))\nprint(list(it))")


@pytest.mark.parametrize(
    ("lines", "body", "kept"),
    [
        (["from math import floor, sqrt"], "sqrt(1)", ["from math import sqrt"]),
        (["import json", "import json"], "json", ["import json"]),
        (["import numpy as np", "import re"], "np.sum", ["import numpy as np"]),
        (["from a import b", "import c"], "b(c)", ["import c", "from a import b"]),
    ],
)
def test_imports_are_pruned(lines: list[str], body: str, kept: list[str]) -> None:
    assert pruned(lines, body) == kept
