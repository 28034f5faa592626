"""What serving the expert oneself costs: capacity, cards, the month, what is spent once. Pure arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from evaluation.cost.case import Case
from evaluation.cost.figure import Figure, number, plus, usd


@dataclass(frozen=True)
class Own:
    """The figures of one case, without any hosted model."""

    case: Case
    served: Figure
    """Queries a month that the cache doesn't answer."""
    capacity: Figure
    """Queries a month that one card answers at full load, all hours through."""
    usable: Figure
    """The same without the hours in which nobody asks."""
    cards: Figure
    """How many cards that takes."""
    used: Figure
    """Share of the capacity of all cards that is used."""
    rent: Figure
    power: Figure
    upkeep: Figure
    running: Figure
    """What is paid every month."""
    training: Figure
    once: Figure
    """People and training, before the first answer."""
    upfront: Figure
    """The same, and the hardware."""
    written_off: Figure
    """A month's share of what was spent beforehand."""
    month: Figure
    """All of a month: paid, and written off."""
    query: Figure
    million_tokens: Figure

    @property
    def figures(self) -> list[Figure]:
        """All of them; each builds on those before it."""
        values = [getattr(self, field.name) for field in fields(self)]
        return [value for value in values if isinstance(value, Figure)]


def own_cost(case: Case) -> Own:
    """Reckon a case."""
    served, capacity, usable, cards, used = _load(case)
    rent, power, upkeep, running = _running(case, int(float(cards)), float(used))
    training, once, upfront, written_off = _beforehand(case, int(float(cards)))
    month = _sum("own_usd_a_month", "self-hosted, a month", running, written_off)
    queries, tokens = case.queries_a_month, case.prompt_tokens + case.answer_tokens
    query = Figure(
        "own_usd_a_query",
        "self-hosted, a query",
        float(month) / queries,
        "usd",
        f"{usd(float(month))} / {number(queries)}",
    )
    million = Figure(
        "own_usd_a_million_tokens",
        "self-hosted, a million tokens",
        float(query) / tokens * 1e6,
        "usd",
        f"{usd(float(query))} / ({number(case.prompt_tokens)} + {number(case.answer_tokens)}) × 1,000,000",
    )
    return Own(
        case=case,
        served=served,
        capacity=capacity,
        usable=usable,
        cards=cards,
        used=used,
        rent=rent,
        power=power,
        upkeep=upkeep,
        running=running,
        training=training,
        once=once,
        upfront=upfront,
        written_off=written_off,
        month=month,
        query=query,
        million_tokens=million,
    )


def requests_a_minute(case: Case) -> float:
    """What one card answers at full load."""
    return case.requests_a_minute or case.tokens_a_second * 60 / case.answer_tokens


def _load(case: Case) -> tuple[Figure, Figure, Figure, Figure, Figure]:
    served = case.queries_a_month * (1 - case.cache_hit_share)
    minute = requests_a_minute(case)
    capacity = minute * 60 * case.hours_a_month
    usable = capacity * (1 - case.idle_share)
    count = max(1, math.ceil(served / usable - 1e-9))
    a_minute = (
        number(minute)
        if case.requests_a_minute
        else f"({number(case.tokens_a_second)} tokens × 60 / {number(case.answer_tokens)})"
    )
    return (
        Figure(
            "served_queries_a_month",
            "not answered by the cache, a month",
            served,
            "load",
            f"{number(case.queries_a_month)} × (1 − {number(case.cache_hit_share)})",
        ),
        Figure(
            "card_capacity_queries_a_month",
            "one card at full load, a month",
            capacity,
            "load",
            f"{a_minute} a minute × 60 × {number(case.hours_a_month)} hours",
        ),
        Figure(
            "card_usable_queries_a_month",
            "one card while anybody asks, a month",
            usable,
            "load",
            f"{number(capacity)} × (1 − {number(case.idle_share)})",
        ),
        Figure("cards", "cards needed", count, "cards", f"max(1, ceil({number(served)} / {number(usable)}))"),
        Figure(
            "capacity_used_share",
            "capacity used",
            served / (count * capacity),
            "share",
            f"{number(served)} / ({count} × {number(capacity)})",
        ),
    )


def _running(case: Case, count: int, used: float) -> tuple[Figure, Figure, Figure, Figure]:
    more = case.load_watts - case.idle_watts
    rent = Figure(
        "rent_usd_a_month",
        "rent, a month",
        count * case.rent_usd_an_hour * case.hours_a_month,
        "usd",
        f"{count} × {usd(case.rent_usd_an_hour)} an hour × {number(case.hours_a_month)} hours",
    )
    power = Figure(
        "power_usd_a_month",
        "power, a month",
        count * case.hours_a_month * (case.idle_watts + more * used) / 1000 * case.usd_a_kwh,
        "usd",
        f"{count} × {number(case.hours_a_month)} hours × ({number(case.idle_watts)} + {number(more)} × {number(used)}) "
        f"watts / 1,000 × {usd(case.usd_a_kwh)}",
    )
    upkeep = Figure(
        "upkeep_usd_a_month",
        "upkeep, a month",
        case.upkeep_hours_a_month * case.work_usd_an_hour + case.upkeep_usd_a_month,
        "usd",
        plus(
            (
                case.upkeep_hours_a_month * case.work_usd_an_hour,
                f"{number(case.upkeep_hours_a_month)} hours × {usd(case.work_usd_an_hour)}",
            ),
            (case.upkeep_usd_a_month, usd(case.upkeep_usd_a_month)),
        ),
    )
    return rent, power, upkeep, _sum("running_usd_a_month", "paid every month", rent, power, upkeep)


def _beforehand(case: Case, count: int) -> tuple[Figure, Figure, Figure, Figure]:
    runs = case.training_hours * case.training_runs * case.training_usd_an_hour
    people = case.curation_hours * case.work_usd_an_hour
    training = runs + case.training_usd
    once = people + training
    hardware = count * case.purchase_usd
    written_off = once / case.model_life_months + hardware / (12 * case.write_off_years)
    bought = f"{count} × {usd(case.purchase_usd)}"
    return (
        Figure(
            "training_usd",
            "training, once",
            training,
            "usd",
            plus(
                (
                    runs,
                    f"{number(case.training_hours)} hours × {number(case.training_runs)} runs × "
                    f"{usd(case.training_usd_an_hour)} an hour",
                ),
                (case.training_usd, usd(case.training_usd)),
            ),
        ),
        Figure(
            "once_usd",
            "people and training, once",
            once,
            "usd",
            plus(
                (people, f"{number(case.curation_hours)} hours × {usd(case.work_usd_an_hour)}"),
                (training, usd(training)),
            ),
        ),
        Figure(
            "upfront_usd",
            "spent beforehand, with hardware",
            once + hardware,
            "usd",
            plus((once, usd(once)), (hardware, bought)),
        ),
        Figure(
            "written_off_usd_a_month",
            "written off, a month",
            written_off,
            "usd",
            plus(
                (once, f"{usd(once)} / {number(case.model_life_months)} months"),
                (hardware, f"{bought} / (12 × {number(case.write_off_years)} years)"),
            ),
        ),
    )


def _sum(name: str, title: str, *parts: Figure) -> Figure:
    total = sum(map(float, parts))
    return Figure(name, title, total, "usd", plus(*((float(part), usd(float(part))) for part in parts)))
