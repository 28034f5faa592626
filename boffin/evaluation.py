"""`boffin evaluate`: the stage, and what may follow it: the gate, and accepting what it found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from boffin.artefacts import REPORT
from boffin.project import open_project
from boffin.run import run_stages, shown
from bundle.errors import BoffinError, GateError, OpinionError


def evaluate(
    folder: Path, assignments: Sequence[str], *, force: bool, everything: bool, gate: bool, accept: bool
) -> None:
    """Bring the report up to date; then judge it by the gate, and accept it if it passes, as asked for.

    Raises:
        GateError: the gate stopped it; each metric's line was printed before.
        OpinionError: nothing but the judge or people's verdicts can't be used; the gate was asked all the same.
        BoffinError: whatever the stage finds wrong, or there is nothing to compare with.
    """
    assignments = [*assignments, *(["evaluation.all_candidates=true"] if everything else [])]
    failed: OpinionError | None = None
    try:
        run_stages(folder, assignments, [REPORT], "evaluate" if force else "")
    except OpinionError as error:
        failed = error
    try:
        if gate or accept:
            _hold(folder, assignments, gate=gate, accept=accept)
    except BoffinError:
        if failed:
            typer.echo(f"boffin: {failed}", err=True)
        raise
    if failed:
        raise failed


def _hold(folder: Path, assignments: Sequence[str], *, gate: bool, accept: bool) -> None:
    """Judge the report by the gate, and accept it if it passes, as asked for."""
    from evaluation.accepted import accept as accept_report
    from evaluation.accepted import check

    project = open_project(folder, assignments)
    settings, report = project.settings.evaluation, project.workspace.path(REPORT)
    accepted = project.folder / Path(settings.gate.accepted).expanduser()
    if gate:
        outcome = check(report, accepted, settings)
        for line in outcome.failed:
            typer.echo(f"gate: {line}", err=True)
        if outcome.failed:
            count = len(outcome.failed)
            raise GateError(
                f"the gate stopped it for {count} metric{'s' if count > 1 else ''}; see {shown(report / 'report.md')}"
            )
        typer.echo(f"The gate lets it pass: {outcome.held_to(shown(accepted))}.")
    if accept:
        count = accept_report(report, accepted)
        typer.echo(f"Accepted: {count} answers in {shown(accepted)}, which later runs are compared with.")
