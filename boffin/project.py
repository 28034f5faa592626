"""A project: its folder, its settings and its workspace. What every command starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from boffin.settings import Settings, load_settings
from boffin.workspace import Workspace


@dataclass(frozen=True)
class Project:
    """A folder with a boffin.toml."""

    folder: Path
    settings: Settings
    workspace: Workspace


def open_project(folder: Path, assignments: Sequence[str] = ()) -> Project:
    """Read the project in `folder`, with `key=value` assignments over its settings.

    Raises:
        SettingsError: there is none, or its settings can't be used.
    """
    folder = folder.resolve()
    settings = load_settings(folder, assignments)
    return Project(folder, settings, Workspace(folder / Path(settings.project.workspace).expanduser()))
