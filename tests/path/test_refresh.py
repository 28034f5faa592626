"""`boffin refresh` on a tiny real project: nothing new, stopped by the gate, killed and gone on with, published."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from boffin import attempt
from boffin.build import standing
from boffin.project import open_project
from boffin.refresh import refresh
from boffin.run import run_stages
from boffin.stages import STAGES
from bundle.atomic import BUILDS
from bundle.digests import digest_files
from bundle.errors import GateError, RecipeError, WorkspaceError
from bundle.manifest import verify
from bundle.records import EVAL, TRAIN, read_records
from trainer.lineage import load_lineage

PROJECT = """
[project]
name = "tiny"
base = "base"

[curation]
held_out = 0.3
filters.max_kind_share = 1.0

[[curation.sources]]
kind = "jsonl"
path = "records.jsonl"
packages = ["json"]
licence = "MIT"

[trainer]
recipe = "tiny.toml"

[convert]
quantisations = ["F16"]

[evaluation]
suite = ""
questions = 4
max_tokens = 8

[appliance]
port = 0
slots = 2
context = 512
"""
RECIPE = 'inherits = "smollm2-135m-cpu"\nbatch_size = 2\nepochs = 8\nheld_out_records = 0\n{values}\n'
FIRST, RUINOUS, GENTLE = "learning_rate = 1e-2", 'learning_rate = 0.2\nschedule = "constant"', "learning_rate = 1e-3"
"""What makes the model learn, what makes it lose all that it knew, and what changes it a little."""
TEXT = (
    "amber basin cedar delta ember fjord grove heron inlet jetty knoll larch mesa nook osier plume quarry ridge spruce "
    "thicket umber vale willow yarrow zenith"
)
WORDS = TEXT.split()
DEADLINE = 180.0
"""Seconds in which a stage has to begin, on a machine that is busy."""
SENT = ["dataset", "adapter", "bundle", "report"]
"""What a refresh publishes, beside its gate."""


def line(number: int, version: int = 1) -> str:
    """A record of one's own, about a symbol of its own; another version has another answer."""
    words = random.Random(f"{number} {version}")
    code = f"import json\n\nthing{number} = {words.sample(WORDS, 5)!r}\nprint(json.dumps(thing{number}))"
    return json.dumps(
        {
            "instruction": f"What does {' '.join(words.sample(WORDS, 4))} mean for json number {number}?",
            "output": f"It means {' '.join(words.sample(WORDS, 9))}.\n\n```python\n{code}\n```",
            "symbol": f"json.thing{number}",
        }
    )


def write_sources(folder: Path, lines: list[str]) -> None:
    (folder / "records.jsonl").write_text("\n".join(lines) + "\n")


def set_recipe(folder: Path, values: str) -> None:
    (folder / "tiny.toml").write_text(RECIPE.format(values=values))


OLD = [line(number) for number in range(16)]
NEXT = [*OLD[1:3], line(3, version=2), *OLD[4:], *(line(number) for number in range(16, 20))]
"""The first is gone, another one says something else, four came."""


@pytest.fixture(scope="module")
def project(make_base: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with an expert, which nothing has compared with its base yet."""
    folder = tmp_path_factory.mktemp("project")
    make_base().rename(folder / "base")
    (folder / "boffin.toml").write_text(PROJECT)
    write_sources(folder, OLD)
    set_recipe(folder, FIRST)
    with pytest.raises(WorkspaceError, match="there is nothing to refresh; run `boffin build` first"):
        refresh(folder, [], anew=False)
    run_stages(folder, [], ["dataset", "adapter", "bundle"], "")
    return folder


def boffin(folder: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "boffin", *arguments, "-C", str(folder)]


def links(folder: Path) -> dict[str, str]:
    """Which build each artefact is."""
    return {name: (folder / "workspace" / name).resolve().name for name in SENT}


def test_nothing_has_changed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = links(project)
    refresh(project, [], anew=False)
    assert capsys.readouterr().out.startswith("Nothing has changed")
    write_sources(project, [*OLD, ""])  # other bytes, the same records
    refresh(project, [], anew=False)
    assert "Nothing has changed: the documentation gives the same dataset." in capsys.readouterr().out
    refresh(project, [], anew=False)
    assert capsys.readouterr().out.startswith("Nothing has changed")
    write_sources(project, OLD[:0:-1])  # one is gone, the others stand elsewhere
    for curated in (True, False):
        refresh(project, [], anew=False)
        told = capsys.readouterr().out
        assert ("curate:" in told) == curated
        assert "The dataset has 0 new records, 9 old ones, 1 gone." in told and "Nothing new to learn" in told
    assert {**links(project), "dataset": ""} == {**before, "dataset": ""}


def test_a_bundle_that_got_worse_never_takes_the_place_of_the_old(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, workspace = links(project), project / "workspace"
    sealed = {name: digest_files(workspace / name) for name in SENT}
    write_sources(project, NEXT)
    set_recipe(project, RUINOUS)
    with pytest.raises(GateError, match="the gate stopped the refreshed expert, the old one stays: on the old "):
        refresh(project, [], anew=False)
    assert "new records, " in capsys.readouterr().out
    assert links(project) == before
    assert {name: digest_files(workspace / name) for name in SENT} == sealed
    kept = workspace / "refresh"
    assert verify((kept / "bundle").resolve()) != verify((workspace / "bundle").resolve())

    built = (kept / "gate").resolve()
    again = subprocess.run(boffin(project, "refresh"), capture_output=True, text=True, check=False)
    assert again.returncode == 1 and "train:" not in again.stdout and (kept / "gate").resolve() == built
    (said,) = [one for one in again.stderr.splitlines() if one.startswith("boffin: ")]
    assert "held-out loss rose from" in said
    for page in said.rpartition(". See ")[2].split(", "):
        assert "# Evaluation" in Path(page).read_text()
    report = json.loads((kept / "gate" / "old" / "report.json").read_text())
    assert report["order"] == ["before", "after"]
    shown = subprocess.run(boffin(project, "status"), capture_output=True, text=True, check=True).stdout
    assert "refresh      stopped by the gate" in shown


def wait_until_begun(folder: Path, pattern: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not any(folder.glob(pattern)):
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_killed_and_run_again_it_goes_on(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before, workspace = links(project), project / "workspace"
    set_recipe(project, GENTLE)
    process = subprocess.Popen(boffin(project, "refresh"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until_begun(workspace, f"refresh/{BUILDS}/gate-*.partial", process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert links(project) == before
    adapter = (workspace / "refresh" / "adapter").resolve().name

    # And once more, between the second and the third artefact that is published.
    moved: list[str] = []
    really = attempt.adopt_folder

    def adopt(folder: Path, link: Path) -> None:
        if len(moved) == 2:
            raise KeyboardInterrupt
        moved.append(link.name)
        really(folder, link)

    monkeypatch.setattr(attempt, "adopt_folder", adopt)
    with pytest.raises(KeyboardInterrupt):
        refresh(project, [], anew=False)
    assert moved == ["dataset", "adapter"]
    told = capsys.readouterr().out
    assert not any(f"{stage}:" in told for stage in ("curate", "train", "convert")) and "gate:" in told
    assert links(project)["adapter"] == adapter and links(project)["bundle"] == before["bundle"]
    verify((workspace / "bundle").resolve())
    monkeypatch.undo()

    # `boffin build` completes it, and finds nothing to do: no training from scratch.
    run_stages(project, [], list(STAGES), "")
    assert capsys.readouterr().out.count("up to date") == len(SENT) + 1
    after = links(project)
    assert after["adapter"] == adapter and all(after[name] != before[name] for name in SENT)
    assert not (workspace / "refresh").exists()


def test_then_it_is_the_continued_expert_and_up_to_date(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workspace = project / "workspace"
    verify((workspace / "bundle").resolve())
    lineage = load_lineage(workspace / "adapter")
    train = list(read_records(workspace / "dataset" / TRAIN))
    assert lineage.continued == 1 and set(lineage.records) == {record.digest for record in train}
    summary = json.loads((workspace / "adapter" / "summary.json").read_text())
    held_out = sum(1 for _ in read_records(workspace / "dataset" / EVAL))
    assert 1 <= summary["records_new"] < len(train) and len(train) + held_out == 19
    assert json.loads((workspace / "report" / "report.json").read_text())["order"] == ["base", "tuned"]
    assert (workspace / "gate" / "old" / "report.md").is_file() and (workspace / "gate" / "new").is_dir()
    status = subprocess.run(boffin(project, "status", "--json"), capture_output=True, text=True, check=True)
    told = json.loads(status.stdout)
    assert all(stage["current"] for stage in told["stages"]) and told["refresh"] == ""
    refresh(project, [], anew=False)
    assert capsys.readouterr().out.startswith("Nothing has changed")


def test_an_adapter_that_does_not_fit_is_told_before_anything_is_built(project: Path) -> None:
    write_sources(project, [*NEXT, line(30)])
    set_recipe(project, f"{GENTLE}\nrank = 4")
    try:
        run = subprocess.run(boffin(project, "refresh"), capture_output=True, text=True, check=False)
    finally:
        set_recipe(project, GENTLE)
        write_sources(project, NEXT)
    (said,) = [one for one in run.stderr.splitlines() if one.startswith("boffin: ")]
    assert run.returncode == 1 and "rank = 16, and the recipe has 4 now" in said
    assert "curate:" not in run.stdout and not (project / "workspace" / "refresh").exists()


def test_training_goes_on_from_an_adapter_that_was_kept(project: Path) -> None:
    shutil.copytree((project / "workspace" / "adapter").resolve(), project / "kept")
    lineage = load_lineage(project / "kept")
    write_sources(project, [line(number) for number in range(40, 60)])
    elsewhere = ["project.workspace=workspace-on", "trainer.adapter=kept"]
    run_stages(project, elsewhere, ["dataset", "adapter"], "")
    adapter = project / "workspace-on" / "adapter"
    records = list(read_records(project / "workspace-on" / "dataset" / TRAIN))
    assert json.loads((adapter / "summary.json").read_text())["records_new"] == len(records)
    assert load_lineage(adapter).continued == lineage.continued + 1
    opened = open_project(project, elsewhere)
    assert standing(opened, STAGES["adapter"]).current
    (project / "kept" / "template.json").write_text("{}")
    assert not standing(opened, STAGES["adapter"]).current
    with pytest.raises(RecipeError, match=r"template\.json is missing or damaged"):
        run_stages(project, elsewhere, ["adapter"], "")
    with pytest.raises(RecipeError, match=r"nowhere: no adapter there; `trainer\.adapter` names the folder"):
        run_stages(project, ["trainer.adapter=nowhere"], ["adapter"], "")
