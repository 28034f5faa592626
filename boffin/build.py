"""Runs what is out of date, in order, by content digests and never by time stamps.

A stage is out of date when its artefact isn't there or one of its inputs has another digest than its stamp says. The
artefact is published, with its stamp in it, only when the stage is done: a killed stage leaves nothing that is read.
Knows nothing about what the stages do.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from boffin.project import Project
from boffin.stages import STAGES, Stage
from boffin.workspace import Stamp, now, write_stamp
from bundle.atomic import published_folder
from bundle.digests import digest_value
from bundle.errors import WorkspaceError
from bundle.stage import Progress, StageResult


@dataclass(frozen=True)
class Standing:
    """How an artefact stands."""

    stage: Stage
    stamp: Stamp | None
    """None where it isn't built."""
    changed: tuple[str, ...]
    """The inputs that differ from those it was built from; `missing` where it isn't built."""

    @property
    def current(self) -> bool:
        """Whether nothing has to be done."""
        return not self.changed


@dataclass(frozen=True)
class Finished:
    """A stage that ran."""

    stage: Stage
    result: StageResult
    seconds: float


def inputs_of(project: Project, stage: Stage) -> dict[str, str]:
    """The digest of each input as it is now; an artefact that isn't built has the digest `missing`."""
    inputs = {"format": str(stage.format), "settings": digest_value(stage.depends(project))}
    for artefact in stage.reads:
        if STAGES[artefact].applies(project):
            stamp = project.workspace.stamp(artefact)
            inputs[artefact] = stamp.content if stamp else "missing"
    return inputs


def standing(project: Project, stage: Stage) -> Standing:
    """How a stage's artefact stands against its inputs as they are now."""
    stamp = project.workspace.stamp(stage.artefact)
    if stamp is None:
        return Standing(stage, None, ("missing",))
    inputs = inputs_of(project, stage)
    changed = sorted(name for name in {*inputs, *stamp.inputs} if inputs.get(name) != stamp.inputs.get(name))
    return Standing(stage, stamp, tuple(changed))


def standings(project: Project) -> list[Standing]:
    """How every artefact of a project stands; whatever reads one that is out of date is out of date, too."""
    found: list[Standing] = []
    stale: set[str] = set()
    for stage in STAGES.values():
        if not stage.applies(project):
            continue
        current = standing(project, stage)
        if current.current and (behind := [name for name in stage.reads if name in stale]):
            current = Standing(stage, current.stamp, tuple(behind))
        if not current.current:
            stale.add(stage.artefact)
        found.append(current)
    return found


def run_stage(project: Project, stage: Stage, progress: Progress) -> Finished:
    """Run one stage and publish its artefact. The caller holds the workspace's lock.

    Raises:
        WorkspaceError: an artefact that it reads isn't built.
        BoffinError: whatever the stage itself finds wrong.
    """
    inputs = inputs_of(project, stage)
    for artefact, digest in inputs.items():
        if digest == "missing":
            first = STAGES[artefact].name
            raise WorkspaceError(
                f"{project.workspace.path(artefact)}: not built yet; run `boffin {first}` or `boffin build` first"
            )
    began = time.monotonic()
    with published_folder(project.workspace.path(stage.artefact)) as out:
        result = stage.run(project, out, progress)
        seconds = time.monotonic() - began
        stamp = Stamp(
            stage=stage.name,
            inputs=inputs,
            content=stage.content(out),
            came_in=result.came_in,
            went_out=result.went_out,
            seconds=round(seconds, 1),
            finished=now(),
        )
        write_stamp(out, stamp)
    stage.discard(project)
    return Finished(stage, result, time.monotonic() - began)


def needed(project: Project, artefacts: Sequence[str], force: str = "") -> list[Stage]:
    """The stages among those of `artefacts` that may have to run, in order; `force` names one to start again from.

    What they depend on is looked at before any of them runs, so that a recipe that isn't there is told at once and not
    after the stage before it.
    """
    stages = [stage for stage in STAGES.values() if stage.artefact in artefacts and stage.applies(project)]
    if force and force not in {stage.name for stage in stages}:
        names = ", ".join(stage.name for stage in stages)
        raise WorkspaceError(f"--force {force}: no such stage; there are {names}")
    for stage in stages:
        stage.depends(project)
    return stages


def must_run(project: Project, stage: Stage, forced: set[str], force: str) -> bool:
    """Whether a stage has to run now: it is out of date, or `force` names it or something that it reads."""
    if stage.name == force or forced.intersection(stage.reads):
        forced.add(stage.artefact)
        return True
    return not standing(project, stage).current
