"""Whose method code calls."""

from __future__ import annotations

import ast

import pytest

from curation.receivers import of_another_class
from symbols.table import SymbolTable


@pytest.mark.parametrize(
    ("code", "symbol", "other"),
    [
        ("print(b'ab'.upper())", "builtins.str.upper", "builtins.bytes"),
        ("print('ab'.upper())", "builtins.str.upper", ""),
        ("x = b'ab'\ny = 'ab'\nprint(x.upper(), y.upper())", "builtins.str.upper", ""),
        ("def f(x):\n    return x.upper()\nprint(b'ab'.upper())", "builtins.str.upper", ""),
        ("print(unknown.upper(), b'ab'.upper())", "builtins.str.upper", ""),
        ("print(bytes.upper(b'ab'))", "builtins.str.upper", "builtins.bytes"),
        ("print(str.upper('ab'))", "builtins.str.upper", ""),
        ("print(list(map(str.upper, 'ab')))", "builtins.str.upper", ""),
        ("from pathlib import Path\nprint(Path('a').joinpath('b'))", "pathlib.PurePath.joinpath", ""),
        ("from pathlib import PurePath\nprint(PurePath('a').name)", "pathlib.Path.name", ""),
        ("import math\nprint(math.sqrt(4))", "math.sqrt", ""),
        ("print('ab')", "builtins.str.upper", ""),
    ],
)
def test_the_class_behind_a_name(table: SymbolTable, code: str, symbol: str, other: str) -> None:
    assert of_another_class(ast.parse(code), symbol, table) == other
