"""The names of what the stages make: folders in the workspace. Knows nothing about how they are made."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from boffin.project import Project

BASE, DATASET, ADAPTER, PREFERRED, SPECIALISTS = "base", "dataset", "adapter", "preferred", "specialists"
BASE_BUNDLE, BUNDLE, REPORT = "base-bundle", "bundle", "report"


def tuned(project: Project) -> str:
    """The artefact with the adapter that the project ships: the one bent to preferences, where it has any."""
    return PREFERRED if project.settings.trainer.preferences else ADAPTER
