"""`boffin plan`: how many machines, how much memory and what money so many people's questions take.

Its arithmetic is `boffin cost`'s (evaluation/cost): only the load at the busiest time is put in the place of a month's
mean. What isn't measured is assumed, and said.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import typer

from boffin.artefacts import BUNDLE
from boffin.cost import gather_inputs
from boffin.project import open_project
from boffin.settings_file import FILE
from bundle.manifest import load_manifest
from evaluation.cost.case import Case
from evaluation.cost.own import Own, own_cost, requests_a_minute

DAYS_A_MONTH = 21
"""Working days."""
BUSY = 0.7
"""Share of a machine's throughput that is planned with: at more, those who ask begin to wait for each other."""


@dataclass(frozen=True)
class Demand:
    """Who asks, and when."""

    users: int
    questions_a_day: float
    """Of one user."""
    hours_a_day: float
    """In which they ask."""
    peak: float
    """How many times as many as on average come in the busiest minutes of these hours."""

    @property
    def a_month(self) -> float:
        """Questions."""
        return self.users * self.questions_a_day * DAYS_A_MONTH

    @property
    def at_peak(self) -> float:
        """Questions a minute in the busiest minutes."""
        return self.users * self.questions_a_day / (self.hours_a_day * 60) * self.peak


@dataclass(frozen=True)
class Plan:
    """What it takes."""

    demand: Demand
    at_peak: float
    """Questions a minute that the cache doesn't answer, in the busiest minutes."""
    a_machine: float
    """Answers a minute that one machine gives at full load."""
    throughput_from: str
    """Where that is from."""
    own: Own
    """The month, with as many machines as the busiest minutes need."""
    memory: int | None
    """Bytes on each machine; None where there is no bundle yet."""

    @property
    def machines(self) -> int:
        """How many."""
        return round(float(self.own.cards))


def make_plan(case: Case, throughput_from: str, demand: Demand, memory: int | None) -> Plan:
    """Reckon what a demand takes, on machines and with answers as in a case."""
    a_machine = requests_a_minute(case)
    at_peak = demand.at_peak * (1 - case.cache_hit_share)
    # The month's mean of what can be used of a machine, so that `own_cost` counts those that the busiest minutes need.
    mean = demand.a_month / (case.hours_a_month * 60)
    usable = min(1.0, BUSY * mean / demand.at_peak)
    own = own_cost(replace(case, queries_a_month=demand.a_month, idle_share=1 - usable))
    return Plan(demand, at_peak, a_machine, throughput_from, own, memory)


def show_plan(folder: Path, assignments: Sequence[str], demand: Demand, *, as_json: bool) -> None:
    """Print the plan of a project, or of an expert in general where there is none here.

    Raises:
        SettingsError: an input can't be used.
        EvaluationError: the project's report is damaged.
    """
    _name, inputs = gather_inputs(folder, assignments)
    throughput = "tokens_a_second" if inputs.case.tokens_a_second else "requests_a_minute"
    plan = make_plan(inputs.case, inputs.origins[throughput], demand, _memory(folder, assignments))
    typer.echo(json.dumps(_as_json(plan), indent=2) if as_json else _page(plan))


def _page(plan: Plan) -> str:
    demand, own = plan.demand, plan.own
    plural = "" if plan.machines == 1 else "s"
    memory = f"{plan.memory / 1e9:,.1f} GB each" if plan.memory else "there is no bundle yet; see `boffin models`"
    return "\n".join(
        (
            f"{plan.machines} machine{plural}, {own.month.shown} a month, {own.query.shown} a question.",
            "",
            f"asked     {demand.users:,} users × {demand.questions_a_day:g} a day × {DAYS_A_MONTH} days = "
            f"{demand.a_month:,.0f} a month",
            f"at peak   {plan.at_peak:,.1f} a minute: {demand.hours_a_day:g} hours a day, {demand.peak:g} × their mean",
            f"a machine {plan.a_machine:,.1f} a minute ({plan.throughput_from}), planned to {BUSY:.0%}",
            f"machines  ceil({plan.at_peak:,.1f} / ({BUSY:g} × {plan.a_machine:,.1f})) = {plan.machines}",
            f"memory    {memory}",
            f"a month   {own.running.shown} paid; {own.written_off.shown} written off, of {own.upfront.shown} at first",
            "",
            "One machine more goes on when one fails. The assumptions are options; `boffin cost` has every formula.",
        )
    )


def _as_json(plan: Plan) -> dict[str, object]:
    return {
        "machines": plan.machines,
        "memory_bytes_a_machine": plan.memory,
        "demand": asdict(plan.demand) | {"days_a_month": DAYS_A_MONTH},
        "at_peak_a_minute": plan.at_peak,
        "a_machine_a_minute": plan.a_machine,
        "throughput_from": plan.throughput_from,
        "planned_load": BUSY,
        "figures": {figure.name: figure.as_json() for figure in plan.own.figures},
    }


def _memory(folder: Path, assignments: Sequence[str]) -> int | None:
    """Bytes to serve the project's bundle: its file and a fifth, as `boffin doctor` reckons; None without a bundle."""
    if not (folder / FILE).is_file():
        return None
    project = open_project(folder, assignments)
    bundle = project.workspace.path(BUNDLE)
    if not bundle.exists():
        return None
    return round(load_manifest(bundle).model(project.settings.appliance.quantisation).bytes * 1.2)
