"""What runs again and what doesn't: by digests of inputs, settings and formats, never by time stamps."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from boffin import build, stages
from boffin.project import Project, open_project
from bundle.errors import SettingsError, WorkspaceError
from bundle.stage import Progress, StageResult, silent

PROJECT = """
[project]
name = "mini"
base = "base.gguf"

[[curation.sources]]
kind = "package"
packages = ["json"]
"""


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replaces the rooms by stages that write one small file; lists those that ran."""
    names: list[str] = []

    def work(artefact: str) -> Callable[[Project, Path, Progress], StageResult]:
        def run(project: Project, out: Path, progress: Progress) -> StageResult:
            names.append(artefact)
            reads = [name for name in stages.STAGES[artefact].reads if stages.STAGES[name].applies(project)]
            parts = [(project.workspace.path(name) / "content").read_text() for name in reads]
            seed = str(project.settings.trainer.seed) if artefact == "adapter" else ""
            (out / "content").write_text(artefact + seed + "".join(parts))
            return StageResult("in", "out")

        return run

    for artefact, stage in stages.STAGES.items():
        fake = dataclasses.replace(stage, run=work(artefact), content=lambda folder: (folder / "content").read_text())
        monkeypatch.setitem(stages.STAGES, artefact, fake)
    return names


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "boffin.toml").write_text(PROJECT)
    (tmp_path / "base.gguf").write_bytes(b"GGUF")
    return tmp_path


def bring_up_to_date(folder: Path, *assignments: str, force: str = "") -> None:
    project = open_project(folder, assignments)
    forced: set[str] = set()
    with project.workspace.locked():
        for stage in build.needed(project, list(stages.STAGES), force):
            if build.must_run(project, stage, forced, force):
                build.run_stage(project, stage, silent)


ALL = ["base", "dataset", "adapter", "base-bundle", "bundle", "report"]


def test_a_second_run_does_nothing(folder: Path, ran: list[str]) -> None:
    bring_up_to_date(folder)
    assert ran == ALL
    bring_up_to_date(folder)
    assert ran == ALL


def test_a_touched_file_is_no_change_and_a_changed_byte_is(folder: Path, ran: list[str]) -> None:
    bring_up_to_date(folder)
    ran.clear()
    os.utime(folder / "base.gguf", (1, 1))
    bring_up_to_date(folder)
    assert ran == []
    (folder / "base.gguf").write_bytes(b"GGUF!")
    bring_up_to_date(folder)
    assert "base" in ran and "adapter" in ran and "dataset" not in ran


def test_a_setting_runs_its_stage_and_what_reads_a_changed_result(folder: Path, ran: list[str]) -> None:
    bring_up_to_date(folder)
    ran.clear()
    bring_up_to_date(folder, "evaluation.questions=3")
    assert ran == ["report"]
    ran.clear()
    bring_up_to_date(folder, "evaluation.questions=3", "trainer.seed=7")
    assert ran == ["adapter", "bundle", "report"]


def test_preferences_come_between_the_adapter_and_the_bundle(folder: Path, ran: list[str]) -> None:
    bring_up_to_date(folder)
    ran.clear()
    (folder / "votes.jsonl").write_text("a")
    votes = ("trainer.preferences=votes.jsonl", "trainer.preference_recipe=smollm2-135m-dpo")
    bring_up_to_date(folder, *votes)
    assert ran == ["preferred", "bundle", "report"]
    ran.clear()
    (folder / "votes.jsonl").write_text("ab")
    bring_up_to_date(folder, *votes)
    assert ran == ["preferred"]  # the fake adapter comes out the same
    bring_up_to_date(folder, *votes, force="prefer")
    assert ran == ["preferred", "preferred", "bundle", "report"]
    ran.clear()
    bring_up_to_date(folder)
    assert ran == ["bundle", "report"]  # without votes the expert is the adapter again


def test_specialists_come_between_the_adapter_and_the_bundle(folder: Path, ran: list[str]) -> None:
    bring_up_to_date(folder)
    ran.clear()
    bring_up_to_date(folder, 'trainer.specialists=["json"]')
    assert ran == ["specialists", "bundle", "report"]
    ran.clear()
    bring_up_to_date(folder, 'trainer.specialists=["json", "re"]', force="specialise")
    assert ran == ["specialists", "bundle", "report"]


@pytest.mark.parametrize(
    ("assignments", "said"),
    [
        (('trainer.specialists=["json"]', "trainer.preferences=votes.jsonl"), "leave one of the two out"),
        (('trainer.specialists=["../json"]',), "trainer.specialists"),
    ],
)
def test_a_specialist_that_can_not_be_is_told(folder: Path, assignments: tuple[str, ...], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        open_project(folder, assignments)


def test_an_unchanged_result_stops_there(folder: Path, ran: list[str]) -> None:
    bring_up_to_date(folder)
    ran.clear()
    bring_up_to_date(folder, "curation.held_out=0.2")  # the fake dataset comes out the same
    assert ran == ["dataset"]


def test_a_raised_format_number_runs_its_stage(folder: Path, ran: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    bring_up_to_date(folder)
    ran.clear()
    raised = dataclasses.replace(stages.STAGES["report"], format=99)
    monkeypatch.setitem(stages.STAGES, "report", raised)
    bring_up_to_date(folder)
    assert ran == ["report"]


def test_force_starts_again_from_a_stage(folder: Path, ran: list[str]) -> None:
    bring_up_to_date(folder)
    ran.clear()
    bring_up_to_date(folder, force="train")
    assert ran == ["adapter", "bundle", "report"]
    with pytest.raises(WorkspaceError, match="--force tain: no such stage; there are base, curate, train"):
        bring_up_to_date(folder, force="tain")


def test_status_sees_through_to_what_is_behind(folder: Path, ran: list[str]) -> None:
    bring_up_to_date(folder)
    project = open_project(folder, ["trainer.seed=7"])
    changed = {item.stage.artefact: item.changed for item in build.standings(project)}
    assert changed["adapter"] == ("settings",)
    assert changed["bundle"] == ("adapter",)
    assert changed["report"] == ("bundle",)
    assert changed["dataset"] == changed["base-bundle"] == ()


def test_a_stage_without_its_input_says_what_to_run(folder: Path, ran: list[str]) -> None:
    project = open_project(folder)
    with pytest.raises(WorkspaceError, match="not built yet; run `boffin "):
        build.run_stage(project, stages.STAGES["adapter"], silent)
    assert ran == []


def test_a_second_build_at_the_same_time_is_refused(folder: Path) -> None:
    project = open_project(folder)
    with project.workspace.locked(), pytest.raises(WorkspaceError, match="another boffin"), project.workspace.locked():
        pass


def test_a_damaged_stamp_counts_as_not_built(folder: Path, ran: list[str]) -> None:
    bring_up_to_date(folder)
    ran.clear()
    (folder / "workspace" / "report" / ".stamp.json").write_text("{")
    bring_up_to_date(folder)
    assert ran == ["report"]
