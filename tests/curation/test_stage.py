"""The whole stage on a small package and on a real one."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from bundle.documentation import Documentation
from bundle.errors import DatasetError, SourceError
from bundle.passages import DOCUMENTATION
from bundle.records import EVAL, REJECTED, REPORT, SYMBOLS, TRAIN, Record, Rejection, read_records
from bundle.retrieval import find
from bundle.stage import silent
from curation.entries import CORPUS, read_corpus
from curation.settings import CurationSettings, Filters, PackageSource, Verification
from curation.split import is_held_out
from curation.stage import run
from sandbox import run_code
from symbols.check import check_code
from symbols.table import SymbolTable

FILES = {CORPUS, DOCUMENTATION, EVAL, REJECTED, REPORT, SYMBOLS, TRAIN}


def settings(python: str, *packages: str, **changes: object) -> CurationSettings:
    source = PackageSource(packages=packages, python=python)
    return CurationSettings(sources=(source,), verification=Verification(workers=2), **changes)  # type: ignore[arg-type]


def kept(dataset: Path) -> list[Record]:
    return [record for name in (TRAIN, EVAL) for record in read_records(dataset / name)]


def code_of(record: Record) -> str:
    found = re.search(r"```python\n(.*?)\n```", record.output, re.DOTALL)
    assert found
    return found.group(1)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def dataset(gadgets_python: str, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dataset")
    result = run(settings(gadgets_python, "gadgets"), "gadgets", out, cache, out, silent)
    assert "held out" in result.went_out
    return out


def test_every_file_is_there_and_reads(dataset: Path) -> None:
    assert {path.name for path in dataset.iterdir()} >= FILES
    assert len(list(read_corpus(dataset / CORPUS))) == 44
    assert SymbolTable.load(dataset / SYMBOLS).exists("gadgets.turn3")


def test_every_record_runs_alone_and_uses_its_symbol(dataset: Path, gadgets_python: str) -> None:
    records = kept(dataset)
    assert len(records) >= 40
    for record in records[:8]:
        outcome = run_code(code_of(record), python=gadgets_python)
        assert outcome.reason == "ok", outcome
        shown = [line[2:] for line in code_of(record).splitlines() if line.startswith("# ")]
        assert "\n".join(shown) in outcome.stdout
        assert record.provenance.symbol.rpartition(".")[2] in code_of(record)


def test_every_documented_symbol_can_be_looked_up_the_held_out_ones_too(dataset: Path) -> None:
    with Documentation(dataset / DOCUMENTATION) as documentation:
        for record in kept(dataset):
            found = find(documentation, [f"What does `{record.provenance.symbol}` do?"])[0].passage
            assert found.symbol == record.provenance.symbol and found.summary and found.package == "gadgets"
            assert found.example or not found.verified
    train = {record.provenance.symbol for record in read_records(dataset / TRAIN)}
    assert len(train) > 0


def test_a_bounded_dataset_shows_the_use_of_the_other_symbols_too(
    cache: Path, gadgets_python: str, tmp_path: Path
) -> None:
    run(settings(gadgets_python, "gadgets", max_records=8, held_out=0.25), "gadgets", tmp_path, cache, tmp_path, silent)
    with Documentation(tmp_path / DOCUMENTATION) as documentation:
        found = [find(documentation, [f"What is `gadgets.turn{n}`?"])[0].passage for n in range(40)]
    recorded = {record.provenance.symbol for record in kept(tmp_path)}
    more = [one for one in found if one.verified and one.symbol not in recorded]
    assert len(recorded) <= 8 and more
    assert not any(one.verified for one in found if is_held_out(one.symbol, 0.25))
    assert all("# " in one.example for one in more)


def test_what_is_dropped_has_its_reason(dataset: Path) -> None:
    lines = (dataset / REJECTED).read_text().splitlines()
    rejections = [Rejection.model_validate_json(line) for line in lines]
    assert all(one.detail and one.stage for one in rejections)
    about = {one.record.provenance.symbol: one.code for one in rejections if one.record}
    assert about.get("gadgets.gone") in (None, "deprecated")
    assert {"gadgets.gone", "gadgets.broken"}.isdisjoint(record.provenance.symbol for record in kept(dataset))


def test_the_report_adds_up(dataset: Path) -> None:
    report = json.loads((dataset / REPORT).read_text())
    assert report["entries"] == 44
    assert report["kept"] == report["train"] + report["eval"] == sum(report["by_library"].values())
    assert report["kept"] == sum(report["by_kind"].values())
    by_stage = report["rejected_by_stage"].items()
    after = sum(sum(codes.values()) for stage, codes in by_stage if stage not in ("collect", "compose"))
    assert report["raw"] == report["kept"] + after
    assert report["train"] == len(list(read_records(dataset / TRAIN)))
    assert report["seconds"] > 0


def test_the_same_input_gives_the_same_bytes(dataset: Path, gadgets_python: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    run(settings(gadgets_python, "gadgets"), "gadgets", out, tmp_path / "fresh", out, silent)
    for name in (CORPUS, DOCUMENTATION, EVAL, REJECTED, SYMBOLS, TRAIN):
        assert (out / name).read_bytes() == (dataset / name).read_bytes(), name


def test_a_second_run_runs_nothing_again(
    dataset: Path, cache: Path, gadgets_python: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("curation.verify.verifier.Pool", None)
    monkeypatch.setattr("curation.libraries.walk_packages", None)
    run(settings(gadgets_python, "gadgets"), "gadgets", tmp_path, cache, tmp_path, silent)
    assert (tmp_path / TRAIN).read_bytes() == (dataset / TRAIN).read_bytes()


def test_what_is_near_the_suite_is_left_out(dataset: Path, cache: Path, gadgets_python: str, tmp_path: Path) -> None:
    asked = next(record for record in read_records(dataset / TRAIN) if len(record.output.split()) > 13)
    run(settings(gadgets_python, "gadgets"), "gadgets", tmp_path, cache, tmp_path, silent, [asked.output])
    assert asked.question not in {record.question for record in kept(tmp_path)}
    rejections = [Rejection.model_validate_json(line) for line in (tmp_path / REJECTED).read_text().splitlines()]
    left_out = [one for one in rejections if one.record and one.record.question == asked.question]
    assert [(one.code, "evaluation suite" in one.detail) for one in left_out] == [("leak", True)]


def test_several_sources_make_one_dataset(gadgets_python: str, tmp_path: Path) -> None:
    sources = (
        PackageSource(packages=("gadgets",), python=gadgets_python),
        PackageSource(packages=("json", "heapq", "statistics")),
    )
    run(CurationSettings(sources=sources), "gadgets", tmp_path, tmp_path / "cache", tmp_path, silent)
    table = SymbolTable.load(tmp_path / SYMBOLS)
    assert table.exists("gadgets.turn1") and table.exists("statistics.mean")
    records = kept(tmp_path)
    assert {"gadgets", "stdlib"} == {record.provenance.package for record in records}
    for record in records:
        assert check_code(code_of(record), table) == []
        assert record.provenance.licence and record.provenance.version


def test_one_library_has_one_version(gadgets_python: str, tmp_path: Path) -> None:
    sources = (
        PackageSource(packages=("numpy",), python=gadgets_python),  # which has none
        PackageSource(packages=("numpy",)),
    )
    with pytest.raises(SourceError, match="numpy has one version"):
        run(CurationSettings(sources=sources), "gadgets", tmp_path, tmp_path / "cache", tmp_path, silent)


@pytest.mark.parametrize(
    ("package", "message"),
    [("empty", "no documented public objects"), ("no_such_package", "-m pip install no_such_package")],
)
def test_an_empty_source_is_one_line(gadgets_python: str, tmp_path: Path, package: str, message: str) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        run(settings(gadgets_python, "gadgets", package), "gadgets", tmp_path, tmp_path / "cache", tmp_path, silent)
    assert package in str(caught.value) and "\n" not in str(caught.value)


def test_an_interpreter_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"/no/such/python can't be asked"):
        run(settings("/no/such/python", "json"), "gadgets", tmp_path, tmp_path / "cache", tmp_path, silent)


def test_filters_that_drop_everything_are_one_line(gadgets_python: str, cache: Path, tmp_path: Path) -> None:
    strict = settings(gadgets_python, "gadgets", filters=Filters(min_characters=5000))
    with pytest.raises(DatasetError, match="loosen"):
        run(strict, "gadgets", tmp_path, cache, tmp_path, silent)


def test_curation_does_not_import_what_it_reads(dataset: Path) -> None:
    assert dataset.exists() and "gadgets" not in sys.modules
