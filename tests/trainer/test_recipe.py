"""Recipes: every shipped one loads, a user's own inherits, and a mistake is one line."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from bundle.errors import RecipeError
from trainer.preference_recipe import PreferenceRecipe, load_preference_recipe
from trainer.recipe import SHIPPED, Recipe, load_recipe
from trainer.settings import TrainerSettings

NAMES = sorted(path.stem for path in SHIPPED.glob("*.toml"))


def load(name: str) -> Recipe | PreferenceRecipe:
    if name.endswith("-dpo"):
        return load_preference_recipe(TrainerSettings(preference_recipe=name))
    return load_recipe(TrainerSettings(recipe=name))


@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_recipe_loads_and_says_how_it_is_run(name: str) -> None:
    assert load(name).description
    header = (SHIPPED / f"{name}.toml").read_text().split("\n\n")[0]
    command = f"--recipe {name}\n" if name.endswith("-dpo") else f"trainer.recipe={name}"
    assert "boffin train" in header and command in header


@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_recipe_says_why_of_each_value_that_is_not_the_default(name: str) -> None:
    text = (SHIPPED / f"{name}.toml").read_text()
    recipe = load(name)
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", recipe.model) and re.fullmatch(r"[0-9a-f]{40}", recipe.revision)
    for key in tomllib.loads(text).keys() - {"description", "inherits", "method"}:
        line = re.search(rf"^{key} = .*", text, re.MULTILINE)
        assert line and "  # " in line[0], f"{name}: {key} has no comment"
        assert getattr(recipe, key) != type(recipe).model_fields[key].default, f"{name}: {key} is the default"


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


def test_a_recipe_for_preferences_takes_over_what_fits_model_and_machine(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        'inherits = "llama3-8b-qlora"\nmethod = "dpo"\ndescription = "mine"\nbeta = 0.3\n'
    )
    settings = TrainerSettings(preference_recipe="mine.toml", max_steps=7, time_budget=9, seed=4)
    recipe = load_preference_recipe(settings, tmp_path)
    qlora = load_recipe(TrainerSettings(recipe="llama3-8b-qlora"))
    same = {"model", "revision", "quantise_base", "batch_size", "gradient_accumulation", "sequence_length", "optimiser"}
    assert recipe.model_dump(include=same) == qlora.model_dump(include=same)
    assert (recipe.gradient_checkpointing, recipe.beta, recipe.seed) == (True, 0.3, 4)
    # Neither the rate nor the length of the run on records, nor what the project changes in these.
    assert (recipe.learning_rate, recipe.max_steps, recipe.time_budget, recipe.warmup_steps) == (1e-5, None, None, 0)
    (tmp_path / "own.toml").write_text('inherits = "mine.toml"\ndescription = "own"\nloss = "ipo"\n')
    own = load_preference_recipe(TrainerSettings(preference_recipe="own.toml"), tmp_path)
    assert (own.loss, own.beta, own.quantise_base) == ("ipo", 0.3, "nf4")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('inherits = "smollm2-135m-dpo"\nrank = 8', "a recipe for preferences has no `rank`"),
        ('inherits = "smollm2-135m-dpo"\nbetta = 1', "no `betta`; did you mean `beta`?"),
        ('inherits = "smollm2-135m-dpo"\nbeta = 0', "`beta`: "),
        ('inherits = "smollm2-135m-dpo"\nlabel_smoothing = 0.1', 'label_smoothing needs loss = "robust"'),
        ('inherits = "smollm2-135m-cpu"', "mine.toml learns from records"),
        ('inherits = "smollm2-135m-cpu"\nmethod = "ppo"', "'ppo' is neither 'sft' nor 'dpo'"),
        ('inherits = "smollm2-135m-dp"', "mine.toml: inherits: no recipe is called 'smollm2-135m-dp'; did you mean"),
    ],
)
def test_a_mistake_in_a_recipe_for_preferences_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_preference_recipe(TrainerSettings(preference_recipe="mine.toml"), tmp_path)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_recipe_for_preferences_is_no_recipe_for_records() -> None:
    with pytest.raises(RecipeError, match="run `boffin train --recipe llama3-8b-dpo`"):
        load_recipe(TrainerSettings(recipe="llama3-8b-dpo"))
