"""`boffin suite` as a person calls it."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import pytest

from boffin.cli import main
from bundle.records import Provenance, Record, write_records
from evaluation.suite.draw import draw_suite
from evaluation.suite.folder import read_suite
from evaluation.suite.proposal import write_drafts

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the sandbox's walls are Linux's")


def boffin(*arguments: object) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), patch.object(sys, "argv", ["boffin", *map(str, arguments)]):
        try:
            main()
            code: object = 0
        except SystemExit as end:
            code = end.code
    return int(code or 0) if isinstance(code, int | None) else 1, out.getvalue(), err.getvalue()


def a_record(symbol: str, output: str = "", kind: str = "usage", question: str = "") -> Record:
    package = symbol.partition(".")[0]
    provenance = Provenance(source="package", package=package, version="1", symbol=symbol, kind=kind, licence="MIT")
    last = symbol.rpartition(".")[2]
    code = f"So.\n\n```python\nimport {package}\n\n{package}.{last}\n```"
    return Record(instruction=question or f"How do I use {symbol}?", output=output or code, provenance=provenance)


@linux
def test_the_example_passes_its_own_checks(tmp_path: Path) -> None:
    code, out, _ = boffin("suite", "new", tmp_path / "suite")
    assert code == 0 and "stdlib-broken-json.md" in out
    code, out, err = boffin("suite", "check", tmp_path / "suite", "--workers", 1)
    assert code == 0, out + err
    assert "error-handling" in out and "1 / 1" in out and "1 with a check" in out


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    boffin("suite", "new", tmp_path)
    file = tmp_path / "stdlib-broken-json.md"
    file.write_text("mine")
    code, _, err = boffin("suite", "new", tmp_path)
    assert code == 1 and "is there already" in err and err.count("\n") == 1
    assert file.read_text() == "mine"


@linux
def test_each_failure_is_a_line_and_drafts_never_count(tmp_path: Path) -> None:
    boffin("suite", "new", tmp_path)
    good = (tmp_path / "stdlib-broken-json.md").read_text()
    question = "A line of my log"
    (tmp_path / "stdlib-lacks.md").write_text(
        good.replace(question, "A").replace("json.JSONDecodeError  #", "json.NoSuchError  #")
    )
    (tmp_path / "stdlib-idle.md").write_text(
        good.replace(question, "B")
        .replace('assert "info" in output\n', "")
        .replace("assert read", "assert True or read")
    )
    (tmp_path / "stdlib-fails.md").write_text(good.replace(question, "C").replace('"info" in', '"mouse" in'))
    (tmp_path / "stdlib-draft.md").write_text(
        good.replace(question, "D").replace("# draft: true", "draft: true").replace('"info" in', '"mouse" in')
    )
    (tmp_path / "stdlib-echo.md").write_text(good.replace(question, "E, with its LINENO: a line"))
    (tmp_path / "stdlib-broken.md").write_text("hello")
    code, out, err = boffin("suite", "check", tmp_path, "--workers", 1)
    assert code == 1, err
    lines = out.splitlines()
    assert [
        line for line in lines if line.startswith("stdlib-") or line.startswith(("draft", str(tmp_path / "s")))
    ] == [
        "draft: stdlib-draft",
        f"{tmp_path}/stdlib-broken.md:1: has to begin with front matter, between two lines of ---",
        "stdlib-echo: must: the question's own text has idea “the place of the mistake is told”",
        "stdlib-fails: check: failed: assert 'mouse' in output",
        "stdlib-idle: check: an answer that does nothing passes it, too",
        "stdlib-lacks: must: there is no json.NoSuchError in the installed library",
        "stdlib-lacks: must: the reference answer lacks exception json.NoSuchError",
    ]
    assert "1 / 5" in out


def test_a_folder_that_is_not_there_and_an_empty_one(tmp_path: Path) -> None:
    code, _, err = boffin("suite", "check", tmp_path / "none")
    assert code == 1 and "no such folder" in err
    code, out, _ = boffin("suite", "check", tmp_path)
    assert code == 1 and "Nothing to check" in out


@pytest.mark.parametrize(
    "command",
    [
        ("new", "afile"),
        ("new", "afile/x"),
        ("new", "afile", "--from-dataset", "--dataset", "."),
        ("new", "afile/x", "--from-dataset", "--dataset", "."),
        ("export", "afile/x"),
    ],
)
def test_a_file_in_the_way_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "afile").touch()
    write_records(tmp_path / "eval.jsonl", [a_record("json.loads")])
    code, _, err = boffin("suite", *command)
    assert code == 1 and f"{command[1]}: a file is in the way" in err and err.count("\n") == 1


@pytest.mark.parametrize("seconds", ["1e400", "nan", "0"])
def test_a_time_that_is_none_is_told(tmp_path: Path, seconds: str) -> None:
    code, _, err = boffin("suite", "check", tmp_path, "--seconds", seconds)
    assert code == 2 and "--seconds" in err


def test_python_is_the_suite_that_comes_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("boffin.suites.prove", lambda questions, checker: [])
    for suite in (["python"], []):
        code, out, err = boffin("suite", "check", *suite)
        assert code == 0 and "suites/python: 0 questions" in out.replace("\n", ""), err


@linux
def test_an_interpreter_that_is_not_there(tmp_path: Path) -> None:
    boffin("suite", "new", tmp_path)
    code, _, err = boffin("suite", "check", tmp_path, "--python", "/no/python")
    assert code == 1 and "no such program" in err and err.count("\n") == 1


@linux
def test_drafts_come_from_held_out_records(tmp_path: Path) -> None:
    dataset, suite = tmp_path / "dataset", tmp_path / "suite"
    dataset.mkdir()
    records = [a_record(f"json.{name}") for name in ("loads", "dumps", "load")]
    records += [a_record("math.sqrt", kind="error"), a_record("math.pi", output="No code.")]
    write_records(dataset / "eval.jsonl", records)
    code, out, err = boffin("suite", "new", suite, "--from-dataset", "--dataset", dataset, "--count", 2)
    assert code == 0 and "2 drafts" in out, err
    drafts = read_suite(suite).drafts
    assert sorted(draft.library for draft in drafts) == ["json", "math"]  # each library has its turn
    assert {draft.category for draft in drafts} == {"basic-usage", "error-handling"}
    code, out, _ = boffin("suite", "check", suite)
    assert code == 0 and out.count("draft: ") == 2 + 1 and "Drafts aren't checked: edit each" in out
    for file in suite.iterdir():
        file.write_text(file.read_text().replace("draft: true\n", ""))
    code, out, _ = boffin("suite", "check", suite, "--workers", 1)
    assert code == 0, out


@pytest.mark.parametrize("package", ["PyYAML", "ruamel.yaml", "typing_extensions", "Odd__-Name"])
def test_drafts_are_about_the_library_of_their_records(tmp_path: Path, package: str) -> None:
    record = a_record("json.loads")
    own = record.model_copy(update={"provenance": record.provenance.model_copy(update={"package": package})})
    (path,) = write_drafts(tmp_path, [own], 5)
    assert not read_suite(tmp_path).mistakes
    path.write_text(path.read_text().replace("draft: true\n", ""))
    assert draw_suite(tmp_path, [package], 5, seed=0)[1] == 1


def test_what_a_record_says_cannot_break_out_of_its_draft(tmp_path: Path) -> None:
    output = (
        "---\n## Check\n### More\n```python\n## kept\njson.loads\n```\n\x1b[31m\n## Reference answer\n```python\nopen"
    )
    hostile = a_record("json.loads", output=output, question="A\n## Reference answer\n---\ndraft: false")
    hostile = hostile.model_copy(
        update={
            "provenance": hostile.provenance.model_copy(update={"licence": "MIT\n---\ndraft: false", "package": "../x"})
        }
    )
    (path,) = write_drafts(tmp_path / "suite", [hostile], 5)
    assert path.parent == tmp_path / "suite"
    suite = read_suite(tmp_path / "suite")
    assert not suite.mistakes and not suite.questions
    (draft,) = suite.drafts
    assert draft.check is None and draft.text.startswith("A\n**Reference answer**\n---")
    assert "**Check**\n**More**" in draft.reference and "## kept" in draft.reference and "\x1b" not in draft.reference
    assert write_drafts(tmp_path / "suite", [hostile], 5) == []


def test_without_a_dataset_one_line_says_so(tmp_path: Path) -> None:
    code, _, err = boffin("suite", "new", tmp_path, "--from-dataset", "--dataset", tmp_path / "none")
    assert code == 1 and "no held-out records here" in err
    write_records(tmp_path / "eval.jsonl", [a_record("json.loads", output="No code.")])
    code, _, err = boffin("suite", "new", tmp_path, "--from-dataset", "--dataset", tmp_path)
    assert code == 1 and "no held-out record has a symbol and code" in err
    assert boffin("suite", "new", tmp_path, "--dataset", tmp_path)[0] == 2


def test_a_suite_becomes_tasks_of_a_harness(tmp_path: Path) -> None:
    boffin("suite", "new", tmp_path / "my-suite")
    code, out, err = boffin("suite", "export", tmp_path / "tasks", "--suite", tmp_path / "my-suite")
    assert code == 0 and "--tasks boffin_my_suite" in out, err
    assert (tmp_path / "tasks" / "boffin_my_suite_error_handling.yaml").is_file()
    code, _, err = boffin("suite", "export", tmp_path / "tasks")
    assert code == 1 and "is there already" in err and err.count("\n") == 1
    code, _, err = boffin("suite", "export", tmp_path / "other", "--suite", tmp_path / "none.jsonl")
    assert code == 1 and "no such folder or file" in err and not (tmp_path / "other").exists()
