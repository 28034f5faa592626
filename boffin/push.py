"""`boffin train --push`: a project's adapter on the model hub, with where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import typer

from boffin.artefacts import BASE, DATASET, tuned
from boffin.base import find_base, hub_reference
from boffin.project import Project, open_project
from boffin.stages import STAGES
from boffin.upload import upload
from bundle.records import EVAL, TRAIN, read_records

if TYPE_CHECKING:
    from trainer.card import Origin


def push_adapter(folder: Path, assignments: Sequence[str], repository: str, *, private: bool) -> None:
    """Upload the adapter of the project in `folder`, which is built, to `repository`, or else under the project's name.

    Raises:
        HubError: the hub refuses, or can't be reached.
    """
    from trainer.card import prepare

    project = open_project(folder, assignments)
    adapter, name = project.workspace.path(tuned(project)).resolve(), project.settings.project.name
    origin = _origin(project)
    with TemporaryDirectory() as scratch:
        address = upload(
            repository or name,
            lambda there: prepare(adapter, Path(scratch), there, origin),
            f"Adapter of {name}, trained by Boffin",
            private=private,
            asked="--push",
        )
    typer.echo(f"Pushed to {address}")


def _origin(project: Project) -> Origin:
    from convert.licences import base_licence, library_licences
    from trainer.card import Origin

    settings = project.settings.project
    reference = hub_reference(settings.base, settings.revision, project.folder)
    source = find_base(settings.base, settings.revision, project.folder)
    base = project.workspace.path(BASE).resolve() if STAGES[BASE].applies(project) else source.path
    dataset = project.workspace.path(DATASET)
    records = list(read_records(dataset / TRAIN))
    stamp = project.workspace.stamp(tuned(project))
    return Origin(
        name=settings.name,
        base=settings.base if settings.base.startswith("package:") else Path(settings.base).name,
        hub=reference[0] if reference else "",
        revision=source.revision,
        licence=base_licence(base),
        dataset=stamp.inputs[DATASET] if stamp else "",
        records=len(records),
        held_out=sum(1 for _ in read_records(dataset / EVAL)),
        licences=library_licences(records),
    )
