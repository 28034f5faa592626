"""What of the settings serving needs: the project's and the appliance's part, without importing the other rooms'.

So `boffin ask` begins to load its model at once, and an expert is served whatever is wrong with how it was made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from appliance.settings import ApplianceSettings
from boffin.settings_file import load_part, load_tree
from bundle.settings import SettingsPart


class ProjectSettings(SettingsPart):
    """What is built, from which base model, and where."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    """The expert's name, in letters, digits, dots, dashes and underscores; also its model name over HTTP."""
    base: str
    """The base model: `org/name` of a model hub, a folder, a .gguf file, or `package:NAME` (a package with a GGUF)."""
    revision: str = ""
    """The hub revision of the base model: a commit, a tag or a branch; empty for the newest."""
    system_prompt: str = "You are an expert on Python libraries."
    """The system message of every conversation that brings none, in training and in serving; empty for none."""
    workspace: str = "workspace"
    """Folder of everything that is built, relative to boffin.toml."""


class ServingSettings(SettingsPart):
    """The tree as serving reads it."""

    project: ProjectSettings
    appliance: ApplianceSettings = ApplianceSettings()
    trainer: dict[str, Any] = Field(default={})
    """As it stands in the file; so are the others."""
    curation: Any = None
    convert: Any = None
    evaluation: Any = None

    @property
    def preferences(self) -> str:
        """`trainer.preferences`; empty where there are none."""
        return str(self.trainer.get("preferences", ""))


def load_serving_settings(
    folder: Path, assignments: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> ServingSettings:
    """What serving needs of the settings of the project in `folder`.

    Raises:
        SettingsError: as `load_settings`, of these parts.
    """
    return load_tree(ServingSettings, folder, assignments, environment)


def load_appliance_settings(
    assignments: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> ApplianceSettings:
    """The serving settings of a bundle that comes without a project: variables and flags over the defaults."""
    return load_part(ApplianceSettings, ("appliance",), assignments, environment)
