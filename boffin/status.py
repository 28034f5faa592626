"""`boffin status`: what is built, from what, how old, and what is out of date."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import typer

from boffin.attempt import standing_of
from boffin.build import Standing, standings
from boffin.project import Project, open_project
from boffin.workspace import now


def show_status(folder: Path, assignments: Sequence[str], as_json: bool) -> None:
    """Print the state of every artefact, as lines or as one JSON object."""
    project = open_project(folder, assignments)
    found = standings(project)
    if as_json:
        typer.echo(json.dumps(_as_json(project, found), indent=2))
        return
    typer.echo(f"{project.settings.project.name} in {project.workspace.folder}")
    for item in found:
        typer.echo(f"  {item.stage.artefact:<12} {_line(item)}")
    if refresh := standing_of(project.workspace):
        typer.echo(f"  {'refresh':<12} {refresh}")
    if any(not item.current for item in found):
        typer.echo("Run `boffin build` to bring everything up to date.")


def _line(item: Standing) -> str:
    if item.stamp is None:
        return "not built"
    age = _age(now() - item.stamp.finished)
    state = "current" if item.current else f"out of date ({', '.join(item.changed)} changed)"
    return f"{state:<12} {age:<10} {item.stamp.seconds:6.1f} s   {item.stamp.went_out}"


def _age(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // (24 * 60)} days"


def _as_json(project: Project, found: Sequence[Standing]) -> dict[str, object]:
    """The path of each artefact (null where it isn't built), and the stages in detail."""
    paths: dict[str, object] = {
        item.stage.artefact: str(project.workspace.path(item.stage.artefact)) if item.stamp else None for item in found
    }
    stages = [
        {
            "stage": item.stage.name,
            "artefact": item.stage.artefact,
            "built": item.stamp is not None,
            "current": item.current,
            "changed": list(item.changed),
            "seconds": item.stamp.seconds if item.stamp else None,
            "finished": item.stamp.finished.isoformat() if item.stamp else None,
            "went_out": item.stamp.went_out if item.stamp else None,
        }
        for item in found
    ]
    return {
        **paths,
        "name": project.settings.project.name,
        "workspace": str(project.workspace.folder),
        "refresh": standing_of(project.workspace),
        "stages": stages,
    }
