"""The symbol table as a value and as a file."""

from __future__ import annotations

import json
import platform
from importlib.metadata import version
from pathlib import Path

import pytest

from symbols.introspect import walk_packages
from symbols.table import SymbolTable, SymbolTableError


@pytest.mark.parametrize(
    "name",
    [
        "numpy.linspace",
        "numpy.pi",
        "numpy.linalg.norm",
        "numpy.ndarray.reshape",
        "numpy.random.default_rng",
        "os.path.join",
        "collections.abc.Mapping.get",
        "collections.OrderedDict.get",
        "xml.etree.ElementTree.parse",
        "str.join",
        "builtins.str.join",
        "requests.Session.mount",
        "requests.sessions.Session",
        "numpy._core.anything",
        "sqlite3.anything",
    ],
)
def test_what_exists(table: SymbolTable, name: str) -> None:
    assert table.exists(name)


@pytest.mark.parametrize(
    "name", ["numpy.linspce", "numpy.linalg.nrm", "os.path.joint", "str.jion", "requests.Session.mout", "nonesuch.x"]
)
def test_what_does_not(table: SymbolTable, name: str) -> None:
    assert not table.exists(name)


def test_round_trip_is_equal_and_equal_tables_are_equal_bytes(table: SymbolTable, tmp_path: Path) -> None:
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    table.save(first)
    loaded = SymbolTable.load(first)
    loaded.save(second)
    assert loaded == table
    assert first.read_bytes() == second.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "b.json"], "nothing temporary is left"


def test_versions(table: SymbolTable) -> None:
    assert table.packages["numpy"] == version("numpy")
    assert table.packages["json"] == platform.python_version()


def test_merged_tables_know_both(table: SymbolTable, gadgets_python: str) -> None:
    walk = walk_packages(["gadgets"], gadgets_python)
    assert list(walk)
    both = table.merged(walk.table)
    assert both.exists("gadgets.Wheel.stop") and both.exists("numpy.linalg.norm")
    assert not both.exists("gadgets.Wheel.halt")
    spin = both.resolve("gadgets.spin")
    assert spin is not None and both.call_keywords(spin) == ("wheel", "turns", "backwards")


@pytest.mark.parametrize(
    "change",
    [
        {"roots": {"json": 10**6}},
        {"scopes": [{"m": {"x": "y"}}]},
        {"scopes": 3},
        {"keywords": None},
        {"format": 99},
        {"scopes": [{"m": {"x": -99}}], "roots": {}, "keywords": []},
        {"scopes": [{"m": {}, "b": [7]}], "roots": {}},
        {"leaves": [[0, 10**6, -1]]},
        {"types": [[[0, 1]], [[0]]]},
        {"types": [[[10**6]]]},
        {"types": [[[0, *[-1] * 100]]]},
        {"leaves": [["x"]]},
    ],
)
def test_a_damaged_file_is_one_line(table: SymbolTable, tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "symbols.json"
    path.write_text(json.dumps({**table.to_json(), **change}))
    with pytest.raises(SymbolTableError, match=r"symbols\.json") as caught:
        SymbolTable.load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{", "null", "[" * 100_000])
def test_what_is_no_table_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "symbols.json"
    path.write_text(text)
    with pytest.raises(SymbolTableError, match=r"symbols\.json"):
        SymbolTable.load(path)


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SymbolTableError, match="run `boffin curate`"):
        SymbolTable.load(tmp_path / "symbols.json")
