"""What jedi adds to the table, and how it is held."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from symbols import fallback
from symbols.fallback import InstanceChecker
from symbols.introspect import walk_packages
from symbols.table import SymbolTable

OWN = "import json\n\ndef make():\n    return json.JSONEncoder()\n\nencoder = make()\n"


@pytest.fixture(scope="module")
def few() -> SymbolTable:
    walk = walk_packages(["builtins", "json"])
    assert list(walk)
    return walk.table


@pytest.fixture(scope="module")
def checker(few: SymbolTable) -> Iterator[InstanceChecker]:
    with InstanceChecker(few) as one:
        yield one


def test_results_of_the_codes_own_functions_are_known(checker: InstanceChecker) -> None:
    assert [one.name for one in checker.check(OWN + "encoder.encod(1)")] == ["json.encoder.JSONEncoder.encod"]
    assert [one.name for one in checker.check(OWN + "make().encod(1)")] == ["json.encoder.JSONEncoder.encod"]
    assert checker.check(OWN + "encoder.encode(1)") == []


def test_what_the_table_tells_is_not_told_again(checker: InstanceChecker) -> None:
    assert checker.check(OWN + "''.uper()") == []


@pytest.mark.parametrize(
    "code",
    [
        "import nonesuch\nx = nonesuch.make()\nx.whatever",
        "from . import sibling\nx = sibling.make()\nx.whatever",
        "def f(x):\n    return x.whatever",
        OWN + "class Mine:\n    pass\nMine().whatever",
    ],
)
def test_what_jedi_can_not_tell_is_left_alone(checker: InstanceChecker, code: str) -> None:
    assert checker.check(code) == []


def test_the_code_is_never_run(checker: InstanceChecker, tmp_path: os.PathLike[str]) -> None:
    marker = os.path.join(tmp_path, "ran")  # noqa: PTH118
    checker.check(
        f"import json\nimport sys\nsys.path.insert(0, {str(tmp_path)!r})\nx = open({marker!r}, 'w')\n"
        + OWN
        + "encoder.x"
    )
    assert os.listdir(tmp_path) == []  # noqa: PTH208


def test_an_answer_that_does_not_come_ends_the_helper(few: SymbolTable, monkeypatch: pytest.MonkeyPatch) -> None:
    with InstanceChecker(few, seconds=0.0, first_seconds=0.0) as hasty:
        began = time.monotonic()
        for _ in range(fallback.MAX_STARTS + 2):
            assert hasty.check(OWN + "encoder.encod(1)") == []
        assert time.monotonic() - began < 10
        assert hasty._process is None


def test_an_interpreter_that_can_not_be_run_finds_nothing(few: SymbolTable) -> None:
    with InstanceChecker(few, python="/no/such/python") as lost:
        assert lost.check(OWN + "encoder.encod(1)") == []
