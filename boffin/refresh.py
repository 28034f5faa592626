"""`boffin refresh`: curate, train on from the last adapter, convert and the gate, in one go, for a timer.

Everything is built beside the project's artefacts, in a workspace of its own below theirs, by the same stages with the
same stamps: so it goes on after a kill, and what is published counts as up to date. Only what the gate lets pass takes
the place of the old. What is new is told by the records' digests: where there is nothing, nothing is trained.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import time
from collections.abc import Sequence
from pathlib import Path

import typer

from boffin.artefacts import ADAPTER, BASE, BASE_BUNDLE, BUNDLE, DATASET, REPORT
from boffin.attempt import Attempt, begin, complete, discard
from boffin.build import needed, run_stage, standing
from boffin.gate import ADAPTER_BEFORE, BEFORE, GATE, GATE_STAGE, NEW, OLD, violations
from boffin.project import Project, open_project
from boffin.run import show_report, shown, summarise
from boffin.stages import STAGES, Stage, base_folder, run_trainer
from boffin.workspace import Stamp, Workspace
from bundle.digests import digest_value
from bundle.errors import GateError, WorkspaceError
from bundle.records import TRAIN, read_records
from bundle.stage import TerminalProgress

SHARED = (BASE,)
"""Artefacts that don't depend on the documentation: a refresh takes the project's."""
OF_DATASET = (DATASET, BASE_BUNDLE)
"""Those that depend on the dataset alone: a refresh takes the project's where that one is the same."""
_ON = {OLD: "on the old held-out records", NEW: "on the new held-out records"}


def refresh(folder: Path, assignments: Sequence[str], *, anew: bool) -> None:
    """Bring the expert of the project in `folder` up to date with its documentation; `anew` forgets earlier attempts.

    Raises:
        WorkspaceError: there is no expert yet, or several processes were started.
        GateError: the gate stopped the refreshed expert; the old one stays.
        BoffinError: whatever a stage finds wrong; the old expert stays.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise WorkspaceError("boffin refresh serves and asks models, too: run it once, without torchrun or accelerate")
    project = open_project(folder, assignments)
    with project.workspace.locked():
        if complete(project.workspace):
            typer.echo("The last refresh was cut off while it was being published; now it is done.")
        _Refresh(project, anew).go()


class _Refresh:
    """One run of the command."""

    def __init__(self, project: Project, anew: bool) -> None:
        self._project = project
        self._anew = anew
        self._began = time.monotonic()
        self._progress = TerminalProgress()
        self._own = [stage for stage in STAGES.values() if stage.artefact not in SHARED and stage.applies(project)]

    def go(self) -> None:
        from curation.fingerprint import asks_network

        project = self._project
        dataset, adapter, bundle = (self._built(artefact) for artefact in (DATASET, ADAPTER, BUNDLE))
        needed(project, [stage.artefact for stage in self._own])
        curated = standing(project, STAGES[DATASET]).current and not asks_network(project.settings.curation)
        if curated and not self._anew and adapter.inputs.get(DATASET) == dataset.content:
            discard(project.workspace)
            typer.echo("Nothing has changed: the expert knows the documentation as it is.")
            return
        self._bring_up(project, STAGES[BASE])
        self._check_adapter()
        began_with = digest_value(
            [adapter.content, bundle.content, project.settings.trainer.continuing.model_dump(mode="json")]
        )
        attempt = begin(project.workspace, began_with, anew=self._anew)
        inner = self._inside(attempt, shares_dataset=curated)
        if not curated:
            again = attempt.ended and asks_network(project.settings.curation)
            if self._curate(inner, attempt, adapter, again=again):
                return
        if not self._has_new_records(inner):
            attempt.end("nothing new")
            return
        self._build(inner)
        self._pass_the_gate(inner, attempt)
        self._bring_up(inner, STAGES[REPORT])
        names = [stage.artefact for stage in self._own if stage.artefact not in inner.workspace.elsewhere]
        attempt.publish(project.workspace, [*names, GATE])
        discard(project.workspace)
        show_report(project)
        typer.echo(f"The refreshed expert is in place, after {time.monotonic() - self._began:.0f} s.")

    def _built(self, artefact: str) -> Stamp:
        stamp = self._project.workspace.stamp(artefact)
        if stamp is None:
            path = self._project.workspace.path(artefact)
            raise WorkspaceError(f"{path}: not built yet, so there is nothing to refresh; run `boffin build` first")
        return stamp

    def _inside(self, attempt: Attempt, *, shares_dataset: bool) -> Project:
        """The project with the attempt's own workspace, which has the rest from the project's."""
        of = self._project.workspace.path
        names = [*SHARED, "cache", *(OF_DATASET if shares_dataset else ())]
        elsewhere = {name: of(name) for name in names} | {BEFORE: of(BUNDLE), ADAPTER_BEFORE: of(ADAPTER)}
        return dataclasses.replace(self._project, workspace=Workspace(attempt.folder, elsewhere))

    def _curate(self, inner: Project, attempt: Attempt, adapter: Stamp, *, again: bool) -> bool:
        """Curate into the attempt's workspace; returns whether nothing has come of it and all is done."""
        self._bring_up(inner, STAGES[DATASET], again=again)
        found = inner.workspace.stamp(DATASET)
        assert found
        if found.content != adapter.inputs.get(DATASET):
            return False
        # Other sources, the same dataset: from now on it counts as what they give.
        attempt.publish(self._project.workspace, [DATASET])
        discard(self._project.workspace)
        typer.echo("Nothing has changed: the documentation gives the same dataset.")
        return True

    def _check_adapter(self) -> None:
        """Find out before the documentation is read whether training can go on from the adapter."""
        from trainer.base import base_template
        from trainer.continuing import check_adapter
        from trainer.recipe import load_recipe

        project = self._project
        base, _ = base_folder(project)
        recipe = load_recipe(project.settings.trainer, project.folder)
        template = base_template(base, project.settings.project.system_prompt)
        check_adapter(project.workspace.path(ADAPTER), base, recipe, template)

    def _has_new_records(self, inner: Project) -> bool:
        from trainer.continuing import compare
        from trainer.lineage import load_lineage

        records = read_records(inner.workspace.path(DATASET) / TRAIN)
        changes = compare(load_lineage(self._project.workspace.path(ADAPTER)), (record.digest for record in records))
        typer.echo(f"The dataset has {changes}.")
        if not changes.new:
            typer.echo("Nothing new to learn: the expert stays as it is. `boffin build` would train it from scratch.")
        return bool(changes.new)

    def _build(self, inner: Project) -> None:
        before = inner.workspace.path(ADAPTER_BEFORE).resolve()
        for stage in self._own:
            if stage.artefact == ADAPTER:
                self._bring_up(inner, dataclasses.replace(stage, run=functools.partial(run_trainer, before=before)))
            elif stage.artefact not in (DATASET, REPORT):
                self._bring_up(self._project if stage.artefact in inner.workspace.elsewhere else inner, stage)

    def _pass_the_gate(self, inner: Project, attempt: Attempt) -> None:
        self._bring_up(inner, GATE_STAGE)
        if not (found := violations(inner)):
            return
        attempt.end("stopped by the gate")
        said = "; ".join(f"{_ON[name]} {what}" for name, _, what in found)
        pages = ", ".join(dict.fromkeys(shown(page) for _, page, _ in found))
        raise GateError(f"the gate stopped the refreshed expert, the old one stays: {said}. See {pages}")

    def _bring_up(self, project: Project, stage: Stage, *, again: bool = False) -> None:
        """Run a stage if the project needs it and it isn't up to date, or `again`."""
        if not stage.applies(project) or (standing(project, stage).current and not again):
            return
        typer.echo(f"{stage.name}:")
        try:
            finished = run_stage(project, stage, self._progress)
        finally:
            self._progress.end()
        summarise(project, finished)
