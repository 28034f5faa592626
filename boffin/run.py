"""Runs stages for a person: progress while they work, a short summary when each is done."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import typer

from boffin.artefacts import ADAPTER, REPORT, SPECIALISTS
from boffin.attempt import complete
from boffin.build import Finished, must_run, needed, run_stage
from boffin.project import Project, open_project
from bundle.errors import OpinionError, WorkspaceError
from bundle.stage import TerminalProgress, silent


def run_stages(folder: Path, assignments: Sequence[str], artefacts: Sequence[str], force: str) -> None:
    """Bring `artefacts` up to date, in order; `force` names a stage that runs even if nothing has changed.

    Raises:
        OpinionError: everything is up to date and was told, and only the judge or people's verdicts can't be used.
        BoffinError: whatever a stage finds wrong.
    """
    project = open_project(folder, assignments)
    if os.environ.get("RANK", "0") != "0":
        _train_along(project, artefacts, force)
        return
    progress = TerminalProgress()
    began = time.monotonic()
    finished: list[Finished] = []
    forced: set[str] = set()
    failed: OpinionError | None = None
    with project.workspace.locked():
        complete(project.workspace)
        for stage in needed(project, artefacts, force):
            if not must_run(project, stage, forced, force):
                typer.echo(f"{stage.name}: up to date")
                continue
            typer.echo(f"{stage.name}:")
            if stage.artefact in forced:
                stage.discard(project)
            try:
                finished.append(run_stage(project, stage, progress))
            finally:
                progress.end()
            summarise(project, finished[-1])
        if REPORT in artefacts:
            from boffin.opinions import gather_opinions

            try:
                gather_opinions(project, progress)
            except OpinionError as error:
                failed = error
            finally:
                progress.end()
    if REPORT in artefacts:
        show_report(project)
    if len(finished) > 1:
        typer.echo(f"Done in {time.monotonic() - began:.0f} s.")
    if failed:
        raise failed


def _train_along(project: Project, artefacts: Sequence[str], force: str) -> None:
    """Take part in the training of the process that builds; a launcher (torchrun, accelerate) started both.

    Raises:
        WorkspaceError: something else has to be built before.
    """
    forced: set[str] = set()
    for stage in needed(project, artefacts, force):
        if not must_run(project, stage, forced, force):
            continue
        if stage.artefact not in (ADAPTER, SPECIALISTS):
            raise WorkspaceError(
                f"{project.workspace.path(stage.artefact)}: not up to date; only training runs in several processes, "
                "so run the same command once without the launcher"
            )
        with TemporaryDirectory() as scratch:
            stage.run(project, Path(scratch), silent)


def summarise(project: Project, finished: Finished) -> None:
    """Tell what a stage took in and gave."""
    result = finished.result
    typer.echo(f"  in    {result.came_in}")
    typer.echo(f"  out   {result.went_out}")
    for note in result.notes:
        typer.echo(f"        {note}")
    typer.echo(f"  took  {finished.seconds:.1f} s")
    typer.echo(f"  at    {shown(project.workspace.path(finished.stage.artefact))}")


def show_report(project: Project) -> None:
    """Print the evaluation's table, and what a judge and people say."""
    from evaluation.opinion_page import headlines
    from evaluation.report import load_report, print_table

    report = project.workspace.path(REPORT)
    typer.echo()
    print_table(report / "report.json")
    for line in headlines(load_report(report)):
        typer.echo(line)
    typer.echo(f"In full, with answers: {shown(report / 'report.md')}")


def shown(path: Path) -> str:
    """A path as a person in this folder would type it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
