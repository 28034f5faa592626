"""Which inputs matter: each one halved and doubled, all others kept. Pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass, replace

from evaluation.cost.case import Case, Hosted
from evaluation.cost.own import own_cost
from evaluation.cost.versus import Versus, against

MOST = {"cache_hit_share": 0.95, "idle_share": 0.95, "hours_a_month": 744.0}
"""Where doubling ends: no month has more hours."""
INPUTS = {
    "queries_a_month": "queries a month",
    "prompt_tokens": "prompt tokens a query",
    "answer_tokens": "answer tokens a query",
    "requests_a_minute": "requests a minute, a card",
    "tokens_a_second": "tokens a second, a card",
    "cache_hit_share": "share answered by the cache",
    "idle_share": "share of idle hours",
    "hours_a_month": "hours a month",
    "rent_usd_an_hour": "rent an hour",
    "purchase_usd": "price of the hardware",
    "write_off_years": "years it is written off over",
    "load_watts": "watts at load",
    "idle_watts": "watts while idle",
    "usd_a_kwh": "price of a kilowatthour",
    "curation_hours": "hours of curation",
    "upkeep_hours_a_month": "hours of upkeep a month",
    "work_usd_an_hour": "price of an hour of work",
    "upkeep_usd_a_month": "other upkeep a month",
    "training_hours": "hours of a training run",
    "training_runs": "training runs",
    "training_usd_an_hour": "price of an hour of training",
    "training_usd": "training, at once",
    "model_life_months": "months until it is made anew",
}
"""Every input of a case, and what people call it."""
HOSTED = "the hosted model's prices"


@dataclass(frozen=True)
class Swing:
    """One input, varied."""

    name: str
    """Its key in JSON."""
    title: str
    halved: Versus
    doubled: Versus
    halved_by: float = 0.5
    doubled_by: float = 2.0
    """By what it was multiplied; less than 2 where that would be too much."""

    def effect(self, base: Versus) -> float:
        """How far it moves a month's saving at most, in dollars."""
        return max(abs(float(one.saved) - float(base.saved)) for one in (self.halved, self.doubled))

    def matters(self, base: Versus) -> bool:
        """Whether it moves a month's saving or the break-even at all."""
        return any(
            one.saved.value != base.saved.value or one.break_even_months.value != base.break_even_months.value
            for one in (self.halved, self.doubled)
        )


def swings(base: Versus) -> list[Swing]:
    """All inputs that aren't 0, by falling effect on what is saved a month."""
    case, hosted = base.own.case, base.hosted
    found = []
    for name, title in INPUTS.items():
        value = getattr(case, name)
        if value:
            by = min(2.0, max(1.0, MOST[name] / value)) if name in MOST else 2.0
            halved, doubled = (_varied(case, hosted, name, value * factor) for factor in (0.5, by))
            found.append(Swing(name, title, halved, doubled, doubled_by=by))
    found.append(
        Swing("hosted_prices", HOSTED, against(base.own, _times(hosted, 0.5)), against(base.own, _times(hosted, 2)))
    )
    return sorted(found, key=lambda swing: (-swing.effect(base), swing.title))


def _varied(case: Case, hosted: Hosted, name: str, value: float) -> Versus:
    return against(own_cost(replace(case, **{name: value})), hosted)


def _times(hosted: Hosted, factor: float) -> Hosted:
    return Hosted(
        hosted.name,
        hosted.usd_a_million_prompt_tokens * factor,
        hosted.usd_a_million_answer_tokens * factor,
        hosted.usd_a_request * factor,
    )
