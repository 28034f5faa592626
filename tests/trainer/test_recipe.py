"""Recipes: every shipped one loads, a user's own inherits, and a mistake is one line."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from bundle.errors import RecipeError
from trainer.recipe import SHIPPED, Recipe, load_recipe
from trainer.settings import TrainerSettings

NAMES = sorted(path.stem for path in SHIPPED.glob("*.toml"))


@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_recipe_loads_and_says_how_it_is_run(name: str) -> None:
    assert load_recipe(TrainerSettings(recipe=name)).description
    header = (SHIPPED / f"{name}.toml").read_text().split("\n\n")[0]
    assert "boffin train" in header and f"trainer.recipe={name}" in header


@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_recipe_says_why_of_each_value_that_is_not_the_default(name: str) -> None:
    text = (SHIPPED / f"{name}.toml").read_text()
    recipe = load_recipe(TrainerSettings(recipe=name))
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", recipe.model) and re.fullmatch(r"[0-9a-f]{40}", recipe.revision)
    for key in tomllib.loads(text).keys() - {"description", "inherits"}:
        line = re.search(rf"^{key} = .*", text, re.MULTILINE)
        assert line and "  # " in line[0], f"{name}: {key} has no comment"
        assert getattr(recipe, key) != Recipe.model_fields[key].default, f"{name}: {key} is the default"


def test_a_project_changes_what_it_names(tmp_path: Path) -> None:
    recipe = load_recipe(TrainerSettings(recipe="smollm2-135m-cpu", max_steps=3, time_budget=9.5, seed=4))
    assert (recipe.max_steps, recipe.time_budget, recipe.seed) == (3, 9.5, 4)


def test_an_own_recipe_inherits_by_name(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('inherits = "llama3-8b-qlora"\nrank = 64\n')
    recipe = load_recipe(TrainerSettings(recipe="mine.toml"), tmp_path)
    assert (recipe.rank, recipe.max_steps, recipe.quantise_base) == (64, 1000, "nf4")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('inherits = "smollm2-135m-cpu"\nlerning_rate = 1', "no `lerning_rate`; did you mean `learning_rate`?"),
        ('inherits = "smollm2-135m-cpu"\nrank = 0', "`rank`: "),
        ("rank = ", "not valid TOML"),
        ('inherits = "smollm2-135m-cpu"\nlora_plus_ratio = 0.5', "`lora_plus_ratio`: "),
        (
            'inherits = "smollm2-135m-cpu"\nearly_stopping = 2',
            "mine.toml: early_stopping and keep_best need",
        ),
        (
            'inherits = "smollm2-135m-cpu"\nkeep_best = true\nevaluation_steps = 10\ncheckpoint_steps = 15',
            "checkpoint_steps, a multiple of evaluation_steps",
        ),
        ('inherits = "mine.toml"', "inherits from itself"),
        ('inherits = "llama3-8b-qlra"', "did you mean llama3-8b-qlora?"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_recipe(TrainerSettings(recipe="mine.toml"), tmp_path)
    assert said in str(caught.value) and "\n" not in str(caught.value)
