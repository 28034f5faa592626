"""The settings: one typed tree, composed of each room's part. Knows nothing about how they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from appliance.settings import ApplianceSettings
from boffin.serving_settings import ProjectSettings
from boffin.settings_file import load_part, load_tree
from bundle.settings import SettingsPart
from convert.settings import ConvertSettings
from curation.settings import CurationSettings
from evaluation.cost.settings import CostSettings
from evaluation.settings import EvaluationSettings
from trainer.settings import TrainerSettings


class Settings(SettingsPart):
    """The whole tree, a part a room."""

    project: ProjectSettings
    """What is built, from which base model, and where."""
    curation: CurationSettings
    """How documentation becomes a dataset."""
    trainer: TrainerSettings = TrainerSettings()
    """How the base model is trained."""
    convert: ConvertSettings = ConvertSettings()
    """How the trained model is packed for llama.cpp."""
    evaluation: EvaluationSettings = EvaluationSettings()
    """How candidates are compared."""
    appliance: ApplianceSettings = ApplianceSettings()
    """How the expert is served."""


def load_settings(
    folder: Path, assignments: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> Settings:
    """The settings of the project in `folder`; `assignments` are flags of the form `trainer.time_budget=60`.

    Raises:
        SettingsError: no boffin.toml, not TOML, an unknown key or a value that can't be used; one line says where.
    """
    return load_tree(Settings, folder, assignments, environment)


def load_cost_settings(assignments: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> CostSettings:
    """What `boffin cost` reckons with where there is no project: variables and flags over the defaults."""
    return load_part(CostSettings, ("evaluation", "cost"), assignments, environment)
