"""The whole stage on a small package and on a real one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from bundle.errors import DatasetError, SourceError
from bundle.records import EVAL, REJECTED, REPORT, SYMBOLS, TRAIN, Rejection, read_records
from bundle.stage import silent
from curation.entries import CORPUS, read_corpus
from curation.settings import CurationSettings, Filters, PackageSource
from curation.stage import run
from symbols.check import check_code
from symbols.table import SymbolTable


def settings(python: str, *packages: str) -> CurationSettings:
    return CurationSettings(sources=(PackageSource(packages=packages, python=python),))


@pytest.fixture(scope="module")
def dataset(gadgets_python: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dataset")
    result = run(settings(gadgets_python, "gadgets"), out, silent)
    assert "held out" in result.went_out
    return out


def test_every_file_is_there_and_reads(dataset: Path) -> None:
    names = {CORPUS, EVAL, REJECTED, REPORT, SYMBOLS, TRAIN}
    assert {path.name for path in dataset.iterdir()} == names
    assert len(list(read_corpus(dataset / CORPUS))) == 44
    assert SymbolTable.load(dataset / SYMBOLS).exists("gadgets.turn3")


def test_every_symbol_is_kept_once_or_rejected_with_its_reason(dataset: Path) -> None:
    kept = [record.provenance.symbol for name in (TRAIN, EVAL) for record in read_records(dataset / name)]
    lines = (dataset / REJECTED).read_text().splitlines()
    rejected = {
        rejection.record.provenance.symbol: rejection.code for rejection in map(Rejection.model_validate_json, lines)
    }
    assert len(kept) == len(set(kept)) == 42
    assert rejected == {"gadgets.gone": "deprecated", "gadgets.broken": "low-quality"}
    assert "gadgets.Gadget.halt" in kept


def test_the_report_adds_up(dataset: Path) -> None:
    report = json.loads((dataset / REPORT).read_text())
    assert report["entries"] == 44
    assert report["kept"] == report["train"] + report["eval"] == sum(report["by_library"].values())
    assert report["kept"] == sum(report["by_kind"].values())
    assert report["raw"] == report["kept"] + sum(report["rejected"].values())
    assert report["train"] == len(list(read_records(dataset / TRAIN)))
    assert 100 < report["lengths"]["median"] <= report["lengths"]["p95"] <= 900
    assert report["seconds"] > 0


def test_an_example_made_the_answer(dataset: Path) -> None:
    records = {one.provenance.symbol: one for name in (TRAIN, EVAL) for one in read_records(dataset / name)}
    turn = records["gadgets.turn3"]
    assert turn.provenance.kind == "usage"
    assert turn.output == (
        "`gadgets.turn3` turns a gadget 3 times over its axis.\n\n"
        '```python\nfrom gadgets import turn3\n\nprint(turn3("top"))\n# 360\n```\n\n'
        "- `gadget`: The gadget to turn.\n- `times`: How often it is turned.\n- Returns: The angle in degrees."
    )
    assert "halt(gently)" in records["gadgets.Gadget.halt"].output


def test_the_same_input_gives_the_same_bytes(dataset: Path, gadgets_python: str, tmp_path: Path) -> None:
    run(settings(gadgets_python, "gadgets"), tmp_path, silent)
    for name in (CORPUS, EVAL, REJECTED, SYMBOLS, TRAIN):
        assert (tmp_path / name).read_bytes() == (dataset / name).read_bytes(), name


def test_several_sources_make_one_dataset(gadgets_python: str, tmp_path: Path) -> None:
    sources = (
        PackageSource(packages=("gadgets",), python=gadgets_python),
        PackageSource(packages=("requests", "json")),
    )
    run(CurationSettings(sources=sources), tmp_path, silent)
    report = json.loads((tmp_path / REPORT).read_text())
    assert set(report["by_library"]) == {"gadgets", "requests", "stdlib"}
    table = SymbolTable.load(tmp_path / SYMBOLS)
    assert table.exists("gadgets.turn1") and table.exists("requests.get")
    for record in read_records(tmp_path / TRAIN):
        assert len(record.output) <= 900
        code = record.output.partition("```python\n")[2].partition("\n```")[0]
        assert check_code(code, table) == []
        assert record.provenance.licence and record.provenance.version


def test_the_balance_is_a_rejection(gadgets_python: str, tmp_path: Path) -> None:
    sources = (
        PackageSource(packages=("gadgets",), python=gadgets_python),
        PackageSource(packages=("requests", "pathlib", "json", "math")),
    )
    run(CurationSettings(sources=sources, max_share=0.4), tmp_path, silent)
    report = json.loads((tmp_path / REPORT).read_text())
    assert report["rejected"]["balance"] > 0
    assert max(report["by_library"].values()) <= 0.45 * report["kept"]


@pytest.mark.parametrize(
    ("package", "message"),
    [("empty", "no documented public objects"), ("no_such_package", "-m pip install no_such_package")],
)
def test_an_empty_source_is_one_line(gadgets_python: str, tmp_path: Path, package: str, message: str) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        run(settings(gadgets_python, "gadgets", package), tmp_path, silent)
    assert package in str(caught.value) and "\n" not in str(caught.value)


def test_an_interpreter_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"/no/such/python: can't be run"):
        run(settings("/no/such/python", "json"), tmp_path, silent)


def test_filters_that_drop_everything_are_one_line(tmp_path: Path) -> None:
    strict = CurationSettings(sources=(PackageSource(packages=("json",)),), filters=Filters(min_characters=5000))
    with pytest.raises(DatasetError, match="loosen"):
        run(strict, tmp_path, silent)


def test_curation_does_not_import_what_it_reads(dataset: Path) -> None:
    assert dataset.exists() and "gadgets" not in sys.modules
