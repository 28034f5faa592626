import pytest

from evaluation.measures.blocks import python_blocks
from evaluation.measures.code import CodeMeasures, measure_code, valid_python
from evaluation.measures.text import repetition
from symbols.table import SymbolTable


@pytest.fixture(scope="module")
def table(symbol_table):
    return SymbolTable.load(symbol_table)


def block(code, info="python"):
    return f"Like so:\n\n```{info}\n{code}\n```\n\nThat is all."


@pytest.mark.parametrize(
    ("answer", "blocks"),
    [
        ("no code, only `x`", []),
        (block("x = 1"), ["x = 1"]),
        (block("x = 1", "py"), ["x = 1"]),
        (block("x = 1", " Python3 title='a'"), ["x = 1"]),
        (block("x = 1", "{.python}"), []),
        (block("x = 1", ""), []),
        (block("x = 1", "bash"), []),
        (block("   "), []),
        (block("x = 1") + block("y = 2"), ["x = 1", "y = 2"]),
        ("1. Do\n   ```python\n   if x:\n       y\n   ```", ["if x:\n    y"]),
        ("~~~python\nx = '```'\n~~~", ["x = '```'"]),
        ("````python\n```\nx\n````", ["```\nx"]),
        ("```text\n```python\nx\n```", []),
        ("cut off:\n```python\nx = 1\ny = (", ["x = 1\ny = ("]),
        ("```python x = 1```", []),
        ("```python\r\nx = 1\r\n```\r\n", ["x = 1\r"]),
    ],
)
def test_python_blocks(answer, blocks):
    assert python_blocks(answer) == blocks


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Use json.dumps.", (False, False, False, False)),
        (block("import json\nprint(json.dumps([1], indent=2))"), (True, True, True, True)),
        (block("import json") + block("json.dumps(1)"), (True, True, True, True)),
        (block("from json import dumps\ndumps(1)"), (True, True, True, True)),
        (block("import json\njson.loads('1')  # dumps"), (True, True, True, False)),
        (block("import json\njson.dumps(1") + block("x = 1"), (True, False, False, False)),
        (block(">>> json.dumps(1)"), (True, False, False, False)),
        (block("x = '\\d'"), (True, True, True, False)),
    ],
)
@pytest.mark.filterwarnings("error")
def test_code_is_measured(table, answer, expected):
    assert measure_code(answer, "json.dumps", table) == CodeMeasures(*expected)


@pytest.mark.parametrize(
    "code", ["import json\njson.dumpz(1)", "import json\njson.JSONEncoder(indant=2)", "from json import dumpz\n"]
)
def test_a_name_that_does_not_exist_is_found(table, code):
    measures = measure_code(block(code), "json.dumps", table)
    assert measures.valid_python and not measures.existing_symbols and len(measures.unknown) == 1


@pytest.mark.parametrize(
    ("code", "unknown"),
    [
        ("import json\njson.dumps(to_text(1))", ("to_text",)),
        ("def later():\n    return to_text(1)", ("to_text",)),
        ("def to_text(x): ...\nto_text(1)", ()),
        ("to_text.call()", ()),  # somebody's object
        ("from json import *\nto_text(1)", ()),
        ("dumps(1)", ()),  # an import is missing, which is no name made up
        ("read_config('a')", ()),  # the question has it
        ("try:\n    to_text\nexcept NameError:\n    pass", ()),
    ],
)
def test_a_function_that_comes_from_nowhere_is_made_up(table, code, unknown):
    measures = measure_code(block(code), "", table, "Why does read_config fail?")
    assert measures.valid_python and measures.unknown == unknown and measures.existing_symbols == (not unknown)


@pytest.mark.parametrize(
    ("code", "uses"),
    [
        ("from json import dumps as write\nwrite(1)", True),
        ("import json as j\nj.dumps(1)", True),
        ("from json import *\ndumps(1)", True),
        ("from json import dumps", False),
        ("writer.dumps(1)", True),
        ("dumps(1)", False),
        ("def f(dumps): return dumps", False),
        ("dumps = 1\nprint(dumps)", False),
        ("import math as json\njson.dumps(1)", False),
    ],
)
def test_a_symbol_is_used_where_it_comes_from_its_library(table, code, uses):
    assert measure_code(block(code), "json.dumps", table).uses_symbol == uses


@pytest.mark.parametrize("symbol", ["builtins.sorted", ""])
def test_a_symbol_that_is_built_in_or_none_at_all(table, symbol):
    assert measure_code(block("sorted([2, 1])"), symbol, table).uses_symbol
    assert measure_code(block("sorted = 1\nsorted"), symbol, table).uses_symbol == (not symbol)


@pytest.mark.parametrize("code", ["f(a=1, a=2)", "return 1", "def f(a, a): pass", "break", "x = 1\nglobal x"])
def test_what_python_refuses_is_not_valid(table, code):
    assert not measure_code(block(code), "", table).valid_python
    assert not valid_python(block(code))


def test_a_prompt_may_await(table):
    assert measure_code(block("import asyncio\nawait asyncio.sleep(0)"), "", table).valid_python


@pytest.mark.parametrize(
    "code",
    [
        "x = '\0'",
        "(" * 5000,
        "-" * 90_000 + "1",
        "x" + ".y" * 60_000,
        "x = [" + "[" * 500 + "]" * 500 + "]",
        "a\n" * 500_000,
        "```" + " " * 1_000_000 + "`",
    ],
)
def test_absurd_code_is_survived(table, code):
    assert not measure_code(block(code), "json.dumps", table).uses_symbol


@pytest.mark.parametrize(
    ("answer", "share"),
    [("", 0), ("one two three", 0), ("a b c d e f", 0), ("a b c d a b c d", 1 / 5), ("go " * 103, 99 / 100)],
)
def test_repetition(answer, share):
    assert repetition(answer) == pytest.approx(share)
