"""`boffin cost`: what the expert costs against hosted models, from the project's own measurements where it has any."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from boffin.artefacts import DATASET, REPORT, tuned
from boffin.project import Project, open_project
from boffin.settings import load_cost_settings
from boffin.settings_file import FILE
from bundle.atomic import write_text
from bundle.errors import SettingsError, WorkspaceError, explain_os_error
from evaluation.cost.analysis import Analysis, analyse
from evaluation.cost.inputs import Inputs, gather
from evaluation.cost.measured import Measured, measure, read_benchmark
from evaluation.cost.prices import load_prices
from evaluation.cost.scenario import load_scenario
from evaluation.cost.settings import CostSettings


@dataclass(frozen=True)
class Outputs:
    """What is written, and where."""

    as_json: bool
    svg: Path | None
    html: Path | None


def show_cost(folder: Path, assignments: Sequence[str], outputs: Outputs) -> None:
    """Print the cost of a project's expert, or of none in particular where there is no project here.

    Raises:
        SettingsError: an input can't be used.
        EvaluationError: the project's report, adapter or benchmark is damaged.
        WorkspaceError: a file can't be written.
    """
    analysis = _analyse(folder, assignments)
    if outputs.svg:
        from evaluation.cost.picture import picture

        _write(outputs.svg, picture(analysis))
    if outputs.html:
        from evaluation.cost.page import render_page

        _write(outputs.html, render_page(analysis))
    if outputs.as_json:
        typer.echo(json.dumps(analysis.as_json(), indent=2, ensure_ascii=False))
    else:
        from evaluation.cost.terminal import print_analysis

        print_analysis(analysis)


def show_scenario(name: str, as_json: bool) -> None:
    """Print a scenario's tables.

    Raises:
        SettingsError: there is none, or it can't be used.
    """
    scenario = load_scenario(name)
    if as_json:
        typer.echo(json.dumps(scenario.as_json(), indent=2, ensure_ascii=False))
    else:
        from evaluation.cost.terminal import print_scenario

        print_scenario(scenario)


def show_live(url: str, folder: Path, assignments: Sequence[str], as_json: bool) -> None:
    """Print what the appliance at `url` has served, and what hosted models would have charged for it.

    Raises:
        SettingsError: the prices can't be used.
        EvaluationError: nothing answers there, it refuses, or it is no appliance of Boffin's.
    """
    from evaluation.cost.live import look

    base, settings, _ = _settings(folder, assignments)
    prices = load_prices(_beside(base, settings.prices))
    live = look(url, os.environ.get("BOFFIN_API_KEY", ""), [price.hosted for price in prices.hosted])
    if as_json:
        typer.echo(json.dumps(live.as_json(), indent=2, ensure_ascii=False))
    else:
        from evaluation.cost.terminal import print_live

        print_live(live)


def _settings(folder: Path, assignments: Sequence[str]) -> tuple[Path, CostSettings, Project | None]:
    """The folder that settings are relative to, what they say of costs, and the project, where there is one."""
    if (folder / FILE).is_file() or folder != Path():
        project = open_project(folder, assignments)
        return project.folder, project.settings.evaluation.cost, project
    return folder, load_cost_settings(assignments), None


def _analyse(folder: Path, assignments: Sequence[str]) -> Analysis:
    return analyse(*gather_inputs(folder, assignments))


def gather_inputs(folder: Path, assignments: Sequence[str]) -> tuple[str, Inputs]:
    """The name of the project's expert and what its cost is reckoned from; of none in particular without a project.

    Raises:
        SettingsError: an input can't be used.
        EvaluationError: the project's report, adapter or benchmark is damaged.
    """
    name, measured = "an expert", Measured()
    base, settings, project = _settings(folder, assignments)
    if project:
        name, prompt = project.settings.project.name, project.settings.project.system_prompt
        report, trained, dataset = (project.workspace.path(one) for one in (REPORT, tuned(project), DATASET))
        measured = measure(report, trained, dataset, prompt)
    prices = load_prices(_beside(base, settings.prices))
    benchmark = _beside(base, settings.benchmark)
    return name, gather(settings, prices, measured, read_benchmark(benchmark) if benchmark else None)


def _beside(folder: Path, name: str) -> Path | None:
    """A file that a setting names, relative to the project's folder."""
    return folder / expanded(name) if name else None


def expanded(name: str) -> Path:
    """A path, with a home in the place of `~`.

    Raises:
        SettingsError: nobody has that home, or no path has such characters.
    """
    if "\0" in name:
        raise SettingsError(f"{name!r}: no file is called so; name another")
    try:
        return Path(name).expanduser()
    except RuntimeError:
        raise SettingsError(
            f"{name}: nobody is called {Path(name).parts[0][1:]!r} here; write the whole path"
        ) from None


def _write(path: Path, text: str) -> None:
    """Write a file atomically, where a link points to; into what is no file, such as a pipe, directly."""
    try:
        if path.exists() and not path.is_file():
            with path.open("w", encoding="utf-8") as handle:
                handle.write(text)
        else:
            write_text(Path(os.path.realpath(path)), text)
    except OSError as error:
        line = explain_os_error(error, path) or f"{path}: can't be written ({error.strerror}); name another file"
        raise WorkspaceError(line) from None
    typer.echo(f"Wrote {path}.", err=True)
