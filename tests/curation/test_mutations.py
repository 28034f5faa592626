"""Correct code made wrong: each mutation fails as it says, and doesn't apply where it would not."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from curation.compose import mutations as all_mutations
from curation.compose.correct import Correct
from curation.compose.mutations import MUTATIONS, misspelling, mutations
from symbols.introspect import Parameter
from symbols.table import SymbolTable

OBJ = Parameter("obj", "positional_or_keyword", None)
INDENT = Parameter("indent", "keyword_only", "None")


def correct(code: str, symbol: str, table: SymbolTable, **changes: Any) -> Correct:
    values: dict[str, Any] = {
        "kind": "function",
        "parameters": (OBJ, INDENT),
        "numbers": frozenset(),
        "wrong_names": {"indent": "indentation"},
        "salt": 0.3,
        **changes,
    }
    return Correct(code=code, symbol=symbol, table=table, **values)


@pytest.mark.parametrize(
    ("name", "code", "symbol", "changes"),
    [
        ("misspelt", "import json\n\nprint(json.dumps([1]))", "json.dumps", {}),
        ("misspelt", "from json import dumps\n\nprint(dumps([1]))", "json.dumps", {}),
        ("misspelt", "print('a'.upper())", "builtins.str.upper", {"kind": "method"}),
        ("wrong_keyword", "import math\n\nprint(math.isclose(1, 1, rel_tol=1))", "math.isclose",
         {"parameters": (Parameter("a", "positional_or_keyword", None), Parameter("b", "positional_or_keyword", None),
                         Parameter("rel_tol", "keyword_only", "1"))}),
        ("missing_argument", "import json\n\nprint(json.dumps([1]))", "json.dumps", {}),
        ("missing_argument", "import json\n\nprint(json.dumps(obj=[1], indent=1))", "json.dumps", {}),
        ("missing_import", "import json\n\nprint(json.dumps([1]))", "json.dumps", {}),
        ("wrong_place", "from urllib.parse import quote\n\nprint(quote('a'))", "urllib.parse.quote", {}),
        ("property_called", "from pathlib import Path\n\nprint(Path('a').name)", "pathlib.Path.name",
         {"kind": "property"}),
        ("missing_key", "import pandas as pd\n\ndf = pd.DataFrame({'width': [1]})\nprint(df['width'])",
         "pandas.DataFrame", {}),
        ("ragged", "import numpy as np\n\nprint(np.array([[1, 2], [3, 4]]))", "numpy.array", {}),
        ("ragged", "import pandas as pd\n\nprint(pd.DataFrame({'a': [1, 2], 'b': [3, 4]}))", "pandas.DataFrame", {}),
        ("undefined_variable", "import json\n\nx = [1]\nprint(json.dumps(x))", "json.dumps", {}),
        ("keyword_by_position", "import json\n\nprint(json.dumps([1], indent=1))", "json.dumps", {}),
        ("text_for_number", "import math\n\nprint(math.sqrt(4))", "math.sqrt",
         {"parameters": (Parameter("x", "positional_only", None),), "numbers": frozenset("x")}),
    ],
)  # fmt: skip
def test_a_mutation_fails_as_it_says(
    name: str, code: str, symbol: str, changes: dict[str, Any], table: SymbolTable
) -> None:
    if name == "wrong_place":
        table = table.merged(_urllib())
    found = getattr(all_mutations, name)(correct(code, symbol, table, **changes))
    assert found is not None and found.failing != code
    done = subprocess.run(
        [sys.executable, "-I", "-c", found.failing], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr.strip().rpartition("\n")[2].startswith(found.expects), done.stderr


def _urllib() -> SymbolTable:
    from symbols.introspect import walk_packages

    walk = walk_packages(["urllib"])
    for _ in walk:
        pass
    return walk.table


@pytest.mark.parametrize(
    ("name", "code", "symbol", "changes"),
    [
        ("misspelt", "def f():\n    return 'a'.upper()", "builtins.str.upper", {"kind": "method"}),
        ("wrong_keyword", "import json\n\njson.dumps([], indent=1)", "json.dumps",
         {"parameters": (OBJ, INDENT, Parameter("kw", "var_keyword", None))}),
        ("missing_argument", "import json\n\njson.dumps(*[1])", "json.dumps", {}),
        ("missing_argument", "import json\n\njson.dumps([])", "json.dumps", {"parameters": (INDENT,)}),
        ("missing_key", "d = {'width': 1}\nprint(d['width'])", "builtins.dict", {}),
        ("ragged", "import numpy as np\n\nnp.array([[1, 2], [3]])", "numpy.array", {}),
        ("property_called", "import json\n\njson.dumps([])", "json.dumps", {}),
        ("undefined_variable", "import json\n\nx = json.dumps([])\nprint(x)", "json.dumps", {}),
        ("keyword_by_position", "import json\n\njson.dumps([], indent=1)", "json.dumps",
         {"parameters": (OBJ, Parameter("default", "positional_or_keyword", "None"), INDENT)}),
        ("text_for_number", "import math\n\nmath.sqrt(4)", "math.sqrt", {}),
    ],
)  # fmt: skip
def test_a_mutation_does_not_apply(
    name: str, code: str, symbol: str, changes: dict[str, Any], table: SymbolTable
) -> None:
    assert getattr(all_mutations, name)(correct(code, symbol, table, **changes)) is None


def test_the_order_is_drawn(table: SymbolTable) -> None:
    code = "import json\n\nprint(json.dumps([1], indent=1))"
    one = correct(code, "json.dumps", table)
    firsts = {next(mutations(one, lambda key, n=n: hash((key, n)) % 97 / 97 + 0.001)).cause for n in range(60)}
    assert len(firsts) >= 4
    assert len(MUTATIONS) == 11


def test_a_misspelling_differs_and_keeps_the_first_letter() -> None:
    for number in range(100):
        wrong = misspelling("reshape", number / 100)
        assert wrong != "reshape" and wrong[0] == "r" and abs(len(wrong) - 7) <= 1
