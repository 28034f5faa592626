"""Everything that is said about one case: the comparisons, the reasons against it, the sensitivity. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evaluation.cost.advice import Advice, reasons_against
from evaluation.cost.case import Case
from evaluation.cost.figure import Figure, dollars, number, percent
from evaluation.cost.inputs import ASSUMED, GIVEN, Inputs
from evaluation.cost.own import own_cost
from evaluation.cost.sensitivity import INPUTS, Swing, swings
from evaluation.cost.versus import Versus, against

_ONLY_WITH = {"usd_a_kwh": "load_watts", "write_off_years": "purchase_usd"}
"""Inputs that play no part where another is 0."""
_MOST_NAMED = 4
NEXT_TO_NOTHING = 0.005
"""Share of the largest effect below which an input isn't worth a look."""


@dataclass(frozen=True)
class Analysis:
    """One case in full."""

    name: str
    """The expert's name."""
    inputs: Inputs
    main: Versus
    others: tuple[Versus, ...]
    reasons: tuple[Advice, ...]
    swings: tuple[Swing, ...]
    """By falling effect; those without any are left out."""

    @property
    def most_effect(self) -> float:
        """Of the input that moves a month's saving furthest, in dollars."""
        return max((swing.effect(self.main) for swing in self.swings), default=0)

    @property
    def main_swings(self) -> list[Swing]:
        """Those that are worth a look."""
        return [swing for swing in self.swings if swing.effect(self.main) >= NEXT_TO_NOTHING * self.most_effect]

    @property
    def small_swings(self) -> list[Swing]:
        """The others."""
        return [swing for swing in self.swings if swing not in self.main_swings]

    @property
    def all(self) -> tuple[Versus, ...]:
        """Every comparison, dearest hosted model first."""
        return tuple(sorted((self.main, *self.others), key=lambda one: -float(one.month)))

    @property
    def cautions(self) -> tuple[str, ...]:
        """What of the inputs isn't this project's own."""
        origins = self.inputs.origins
        speed = "tokens_a_second" if self.main.own.case.tokens_a_second else "requests_a_minute"
        found = []
        price_given = GIVEN in (origins["rent_usd_an_hour"], origins["purchase_usd"])
        measured_by = {"evaluation": "that evaluated", "benchmark": "of the benchmark"}
        machine = measured_by.get(origins[speed].partition(",")[0])
        if machine and not price_given:
            found.append(
                f"The throughput was measured on the machine {machine}, the price is another's: give "
                "--tokens-a-second of the card, or --rent or --purchase of the machine."
            )
        assumed = [
            swing.title for swing in self.swings if origins.get(swing.name) == ASSUMED and swing.effect(self.main)
        ]
        if assumed:
            found.append(f"Assumed, not known, and of most effect: {', '.join(assumed[:_MOST_NAMED])}.")
        return tuple(found)

    @property
    def case(self) -> Case:
        """The case."""
        return self.inputs.case

    def formulas(self) -> list[Figure]:
        """The main comparison's figures, without those that are 0 or say nothing new."""
        case = self.case
        plain = {
            "served_queries_a_month": not case.cache_hit_share,
            "card_usable_queries_a_month": not case.idle_share,
            "upfront_usd": not case.purchase_usd,
            "saved_share": float(self.main.saved) < 0,
        }
        figures = (*self.main.own.figures, *self.main.figures)
        return [figure for figure in figures if figure.value != 0 and not plain.get(figure.name)]

    def input_rows(self) -> list[tuple[str, str, str]]:
        """Title, value and origin of each input that plays a part."""
        return [
            (title, show_input(name, getattr(self.case, name)), self.inputs.origins[name])
            for name, title in INPUTS.items()
            if (getattr(self.case, name) or self.inputs.origins[name] == GIVEN)
            and getattr(self.case, _ONLY_WITH.get(name, name))
        ]

    def price_rows(self) -> list[tuple[str, str, str]]:
        """The same of the hosted models' prices: prompt and answer, a request."""
        rows = []
        for hosted in (one.hosted for one in self.all):
            shown = []
            if hosted.usd_a_million_prompt_tokens or hosted.usd_a_million_answer_tokens:
                prompt, answer = hosted.usd_a_million_prompt_tokens, hosted.usd_a_million_answer_tokens
                shown.append(f"{dollars(prompt)} / {dollars(answer)}")
            if hosted.usd_a_request or not shown:
                shown.append(f"{dollars(hosted.usd_a_request)} a query")
            title = f"{hosted.name}, 1M tokens" if len(shown) > 1 or "/" in shown[0] else hosted.name
            rows.append((title, ", ".join(shown), self.inputs.price_origins[hosted.name]))
        return rows

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        case = self.case
        return {
            "name": self.name,
            "inputs": {
                name: {"value": getattr(case, name), "origin": origin} for name, origin in self.inputs.origins.items()
            },
            "examples": self.inputs.examples,
            "against": self.main.hosted.name,
            "own": {figure.name: figure.as_json() for figure in self.main.own.figures},
            "hosted": {
                one.hosted.name: {"price_from": self.inputs.price_origins[one.hosted.name]}
                | {figure.name: figure.as_json() for figure in one.figures}
                for one in self.all
            },
            "reasons_against": [{"code": one.code, "text": one.text} for one in self.reasons],
            "cautions": list(self.cautions),
            "sensitivity": [
                {"input": swing.name, "effect_usd_a_month": swing.effect(self.main)}
                | {
                    name: {
                        "times": factor,
                        "saved_usd_a_month": one.saved.value,
                        "break_even_days": one.break_even_days.value,
                    }
                    for name, factor, one in (
                        ("halved", swing.halved_by, swing.halved),
                        ("doubled", swing.doubled_by, swing.doubled),
                    )
                }
                for swing in self.swings
            ],
        }


def analyse(name: str, inputs: Inputs) -> Analysis:
    """Reckon everything from the inputs."""
    own = own_cost(inputs.case)
    main = against(own, inputs.main)
    others = tuple(against(own, hosted) for hosted in inputs.others)
    return Analysis(
        name,
        inputs,
        main,
        others,
        tuple(reasons_against(main, others, inputs.examples)),
        tuple(swing for swing in swings(main) if swing.matters(main)),
    )


def show_input(name: str, value: float) -> str:
    """An input for people."""
    if "usd" in name:
        return dollars(value)
    if name.endswith("_share"):
        return percent(value)
    return f"{value:,.0f}" if value >= 100 else number(round(value, 2) or value)
