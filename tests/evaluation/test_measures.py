import pytest

from evaluation.measures.blocks import python_blocks
from evaluation.measures.code import CodeMeasures, measure_code
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
