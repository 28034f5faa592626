"""Preference training through the front door: the `prefer` stage, `boffin train --recipe`, and what ships."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from boffin.artefacts import ADAPTER, BUNDLE, PREFERRED, tuned
from boffin.build import inputs_of, needed, standing, standings
from boffin.cli import app
from boffin.project import open_project
from boffin.stages import STAGES
from bundle.errors import DatasetError, RecipeError
from bundle.preferences import PREFERENCES

SFT = "max_steps = 2\nbatch_size = 4\nlearning_rate = 1e-2\nheld_out_records = 0"
DPO = 'description = "votes"\nmethod = "dpo"\nlearning_rate = 3e-3\nmax_steps = 3\nsequence_length = 128\n'


@pytest.fixture
def project(make_project: Callable[[str], Path]) -> Path:
    """A project with a recipe for votes that nothing names, and forty votes."""
    folder = make_project(SFT)
    (folder / "votes.toml").write_text(DPO)
    lines = [
        {"prompt": f"What does f{number} do?", "chosen": f"It is `f{number}()`.", "rejected": f"No idea of f{number}."}
        for number in range(40)
    ]
    (folder / PREFERENCES).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def boffin(*arguments: str | Path, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


NAMED = ("--set", "trainer.preferences=preferences.jsonl", "--set", "trainer.preference_recipe=votes.toml")


def test_without_preferences_nothing_changes(project: Path) -> None:
    opened = open_project(project)
    assert "preferred" not in {item.stage.artefact for item in standings(opened)}
    assert [stage.artefact for stage in needed(opened, [ADAPTER, PREFERRED])] == [ADAPTER]
    assert inputs_of(opened, STAGES[BUNDLE]).keys() == {"format", "settings", "dataset", "adapter"}
    assert tuned(opened) == "adapter"


def test_with_preferences_what_ships_is_the_preferred_adapter(project: Path) -> None:
    said = boffin("train", "-C", project, *NAMED)
    assert said.index("train:") < said.index("prefer:") and "held-out reward margin 0.000 → " in said
    opened = open_project(project, NAMED[1::2])
    assert tuned(opened) == "preferred"
    inputs = inputs_of(opened, STAGES[BUNDLE])
    assert inputs["preferred"] == opened.workspace.stamp(PREFERRED).content != inputs["adapter"]
    assert standing(opened, STAGES[PREFERRED]).current
    assert "\n  preferred " in boffin("status", "-C", project, *NAMED)
    assert json.loads(boffin("status", "-C", project, *NAMED, "--json"))["preferred"].endswith("workspace/preferred")
    assert list((project / "workspace" / "checkpoints").iterdir()) == []

    said = boffin("train", "-C", project, *NAMED)
    assert "train: up to date" in said and "prefer: up to date" in said
    file = project / PREFERENCES
    os.utime(file, (1, 1))
    assert "prefer: up to date" in boffin("train", "-C", project, *NAMED)
    file.write_text(file.read_text() + json.dumps({"prompt": "And g?", "chosen": "A call.", "rejected": "No."}) + "\n")
    assert standing(opened, STAGES[PREFERRED]).changed == ("settings",)
    said = boffin("train", "-C", project, *NAMED)
    assert "train: up to date" in said and "prefer:\n" in said
    said = boffin("train", "-C", project, *NAMED, "--force")
    assert "train:\n" in said and "prefer:\n" in said


def test_a_recipe_for_preferences_on_the_command_line(project: Path) -> None:
    said = boffin("train", "-C", project, "--recipe", "votes.toml")
    assert "train:\n" in said and "prefer:\n" in said
    assert 'set preferences = "preferences.jsonl" and preference_recipe = "votes.toml"' in said
    assert json.loads((project / "workspace" / "preferred" / "recipe.json").read_text())["description"] == "votes"
    said = boffin("train", "-C", project, "--recipe", "votes.toml", "--force")
    assert "train: up to date" in said and "prefer:\n" in said
    said = boffin("train", "-C", project, *NAMED[:2], "--recipe", "votes.toml")
    assert "prefer: up to date" in said and "Nothing ships" not in said


def test_a_recipe_for_records_on_the_command_line(project: Path) -> None:
    (project / "other.toml").write_text('inherits = "mine.toml"\nmax_steps = 1\n')
    boffin("train", "-C", project, "--recipe", "other.toml")
    assert json.loads((project / "workspace" / "adapter" / "summary.json").read_text())["steps"] == 1
    assert not (project / "workspace" / "preferred").exists()


def test_what_is_missing_is_told_before_anything_is_trained(project: Path) -> None:
    (project / PREFERENCES).unlink()
    with pytest.raises(DatasetError, match=r"preferences\.jsonl: no such file"):
        boffin("train", "-C", project, "--recipe", "votes.toml")
    with pytest.raises(RecipeError, match="--recipe: no recipe is called 'smollm2-135m-dp'; did you mean"):
        boffin("train", "-C", project, "--recipe", "smollm2-135m-dp")
    with pytest.raises(RecipeError, match=r"trainer\.preference_recipe: empty"):
        boffin("train", "-C", project, *NAMED[:2])
    with pytest.raises(RecipeError, match=r"mine\.toml learns from records, not from preferences"):
        boffin("train", "-C", project, *NAMED[:2], "--set", "trainer.preference_recipe=mine.toml")
    assert not (project / "workspace" / "adapter").exists()


def test_a_damaged_line_leaves_the_adapter_and_names_itself(project: Path) -> None:
    file = project / PREFERENCES
    file.write_text(file.read_text() + '{"prompt": "cut off')
    with pytest.raises(DatasetError, match=r"preferences\.jsonl:41: not a preference"):
        boffin("train", "-C", project, "--recipe", "votes.toml")
    assert (project / "workspace" / "adapter" / "summary.json").exists()
    assert not (project / "workspace" / "preferred").exists()
