"""Records composed of entries."""

from __future__ import annotations

import ast
from collections.abc import Callable

import pytest

from curation.compose import MAX_ANSWER, compose
from curation.entries import Entry
from curation.filters import python_blocks
from curation.forms import Form
from curation.phrasings import choice, load_phrasings, third_person
from symbols.introspect import Parameter
from symbols.table import SymbolTable

MakeEntry = Callable[..., Entry]


def plain(name: str, default: str | None = None, kind: str = "positional_or_keyword") -> Parameter:
    return Parameter(name, kind, default)


def test_an_example_comes_first_and_the_call_second(table: SymbolTable, entry: MakeEntry) -> None:
    records = list(compose(entry(docstring="Return the square root of x.\n\n>>> sqrt(9)\n3.0"), table))
    assert [record.provenance.kind for record in records] == ["usage", "call"]
    assert records[0].output == (
        "`math.sqrt` returns the square root of x.\n\n```python\nfrom math import sqrt\n\nprint(sqrt(9))\n# 3.0\n```"
    )
    assert records[1].output == (
        "`math.sqrt` returns the square root of x.\n\n"
        "```python\nimport math\n\nresult = math.sqrt(x)\nprint(result)\n```\n\n- Signature: `math.sqrt(x, /)`"
    )


def test_questions_name_the_symbol_or_its_library(table: SymbolTable, entry: MakeEntry) -> None:
    for name in ("floor", "ceil", "trunc", "exp", "log", "sin", "cos", "tan", "gcd", "lcm", "pow", "isqrt"):
        one = entry(symbol=f"math.{name}", docstring=f"Return the {name} of the number x.")
        for record in compose(one, table):
            assert f"math.{name}" in record.instruction or "`math` module" in record.instruction
            assert record.instruction.endswith(("?", "."))


def test_the_same_entry_gives_the_same_records(table: SymbolTable, entry: MakeEntry) -> None:
    assert list(compose(entry(), table)) == list(compose(entry(), table))


def test_an_entry_without_a_docstring_gives_nothing(table: SymbolTable, entry: MakeEntry) -> None:
    assert list(compose(entry(docstring=""), table)) == []


def test_an_unknown_signature_gives_no_call_form(table: SymbolTable, entry: MakeEntry) -> None:
    assert list(compose(entry(parameters=None), table)) == []


def test_long_documentation_is_cut_at_sentences(table: SymbolTable, entry: MakeEntry) -> None:
    sentence = "It does one more thing that takes a few words to tell."
    arguments = "\n".join(f"    {name}: {sentence}" for name in "abcdefgh")
    docstring = f"Return it. {' '.join([sentence] * 30)}\n\nArgs:\n{arguments}\n\nReturns:\n    {sentence}\n"
    one = entry(docstring=docstring, parameters=tuple(plain(name) for name in "abcdefgh"))
    for record in compose(one, table):
        assert 150 <= len(record.output) <= MAX_ANSWER
        assert all(line.endswith((".", "`")) for line in record.output.splitlines() if line.startswith("- "))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        (
            {
                "symbol": "requests.Session.mount",
                "module": "requests",
                "receiver": "requests.Session",
                "kind": "method",
            },
            "import requests\n\nsession: requests.Session\nsession.mount(x)",
        ),
        (
            {"symbol": "pathlib.Path.glob", "module": "pathlib", "receiver": "pathlib.Path", "kind": "method"},
            "from pathlib import Path\n\npath: Path\npath.glob(x)",
        ),
        (
            {"symbol": "builtins.str.join", "module": "builtins", "receiver": "builtins.str", "kind": "method"},
            "text: str\ntext.join(x)",
        ),
        (
            {"symbol": "pandas.Series.str.upper", "module": "pandas", "receiver": "pandas.Series", "kind": "method"},
            "import pandas as pd\n\nseries: pd.Series\nseries.str.upper(x)",
        ),
        ({"symbol": "numpy.linalg.norm", "module": "numpy.linalg"}, "import numpy as np\n\nnp.linalg.norm(x)"),
        ({"symbol": "urllib.parse.quote", "module": "urllib.parse"}, "from urllib.parse import quote\n\nquote(x)"),
        ({"symbol": "os.path.join", "module": "os.path"}, "import os\n\nos.path.join(x)"),
        (
            {"symbol": "json.JSONDecoder", "module": "json", "kind": "class"},
            "from json import JSONDecoder\n\ninstance = JSONDecoder(x)",
        ),
        (
            {"symbol": "requests.Timeout", "module": "requests", "kind": "exception", "package": "requests"},
            "import requests\n\ntry:\n    run()\nexcept requests.Timeout as error:\n    print(error)",
        ),
        (
            {"symbol": "pathlib.Path.name", "module": "pathlib", "receiver": "pathlib.Path", "kind": "property"},
            "from pathlib import Path\n\npath: Path\nprint(path.name)",
        ),
    ],
)
def test_call_forms(entry: MakeEntry, changes: dict[str, str], code: str) -> None:
    package = changes["symbol"].partition(".")[0]
    outside = {"package": package} if package in ("requests", "numpy", "pandas") else {}
    documented = entry(**outside, **changes).documented if "package" not in changes else entry(**changes).documented
    form = Form(documented, load_phrasings()).code(set(), returns=False)
    assert form is not None
    if changes.get("kind") != "class":
        assert form == code
    else:
        assert form.startswith("from json import JSONDecoder\n\n") and form.endswith("= JSONDecoder(x)")
    ast.parse(form)


def test_calls_give_what_is_required_and_what_is_documented(entry: MakeEntry) -> None:
    parameters = (
        plain("x", kind="positional_only"),
        plain("y"),
        plain("depth", "3"),
        plain("hidden", "0"),
        plain("odd", "..."),
        plain("key", kind="keyword_only"),
        Parameter("options", "var_keyword", None),
    )
    documented = entry(parameters=parameters).documented
    form = Form(documented, load_phrasings()).code({"depth", "odd"}, returns=True)
    assert form == "import math\n\nresult = math.sqrt(x, y, depth=3, key=key)\nprint(result)"


def test_a_parameter_that_is_no_valid_name_gives_no_form(entry: MakeEntry) -> None:
    assert Form(entry(parameters=(plain("from"),)).documented, load_phrasings()).code(set(), returns=False) is None


def test_no_record_has_more_than_one_block_or_left_over_prompts(table: SymbolTable, entry: MakeEntry) -> None:
    docstring = (
        "Return it.\n\nUse it so:\n\n>>> sqrt(4)\n2.0\n\nor so::\n\n    ```python\n    >>> sqrt(9)\n    3.0\n    ```\n"
    )
    for record in compose(entry(docstring=docstring), table):
        assert len(python_blocks(record.output)) == 1
        assert ">>>" not in record.output


@pytest.mark.parametrize(("verb", "third"), [("copy", "copies"), ("push", "pushes"), ("play", "plays"), ("do", "does")])
def test_third_person(verb: str, third: str) -> None:
    words = load_phrasings()
    assert third_person(verb) == third
    assert words.verb("Copies") == ("copy", "copies") == words.verb("Copy")
    assert words.verb("Nonsense") is None


def test_a_choice_depends_on_its_key_alone() -> None:
    picks = {choice(f"key {number}", "abc") for number in range(50)}
    assert picks == {"a", "b", "c"}
    assert choice("key", "abc") == choice("key", "abc")
