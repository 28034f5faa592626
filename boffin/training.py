"""`boffin train`: the adapter, then preferences on top of it where there are any; `--recipe` chooses for one run.

Knows nothing about what a recipe says beyond what it learns from.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import typer

from boffin.artefacts import ADAPTER, BASE, PREFERRED, SPECIALISTS
from boffin.project import open_project
from boffin.run import run_stages
from boffin.stages import STAGES
from bundle.preferences import PREFERENCES


def run_training(folder: Path, assignments: Sequence[str], recipe: str, *, force: bool) -> list[str]:
    """Bring the adapter up to date, and the one bent to preferences; returns the assignments that the run went by.

    A `recipe` for records takes the place of `trainer.recipe`; one for preferences that of `trainer.preference_recipe`,
    and the votes then lie in `preferences.jsonl` where the project names no file.
    """
    from trainer.recipe import DPO, read_recipe

    project = open_project(folder, assignments)
    chosen = list(assignments)
    first, unnamed = STAGES[ADAPTER], False
    if recipe and read_recipe(recipe, project.folder, "--recipe").method == DPO:
        first, unnamed = STAGES[PREFERRED], not project.settings.trainer.preferences
        chosen.append(f"trainer.preference_recipe={json.dumps(recipe)}")
        chosen += [f"trainer.preferences={json.dumps(PREFERENCES)}"] if unnamed else []
    elif recipe:
        chosen.append(f"trainer.recipe={json.dumps(recipe)}")
    run_stages(folder, chosen, [BASE, ADAPTER, PREFERRED, SPECIALISTS], first.name if force else "")
    if unnamed:
        typer.echo(
            f'Nothing ships this adapter yet: set preferences = "{PREFERENCES}" and preference_recipe = "{recipe}" '
            "under [trainer] in boffin.toml, then run `boffin build`."
        )
    return chosen
