"""When not to fine-tune, said plainly. Rules on figures; knows nothing about how they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.cost.figure import dollars, number, percent
from evaluation.cost.versus import Versus, spent_until

FEWEST_QUERIES = 10_000
"""Queries a month below which the reference article advises against it."""
FEWEST_EXAMPLES = 1_000
"""Training examples below which it does."""
PATIENCE_MONTHS = 24
"""How long a rented card may take to pay: models and prices change faster than that."""
HARDLY_USED = 0.02
"""Share of the capacity below which a whole card is the wrong thing to have."""


@dataclass(frozen=True)
class Advice:
    """One reason against it."""

    code: str
    text: str


def reasons_against(main: Versus, others: Sequence[Versus], examples: int | None) -> list[Advice]:
    """Every reason that these figures give; none where nothing speaks against it.

    Args:
        main: the comparison that matters.
        others: further hosted models, of which the cheapest is looked at.
        examples: records to train on; None where that isn't known.
    """
    own, case = main.own, main.own.case
    found = []
    if case.queries_a_month < FEWEST_QUERIES:
        found.append(
            Advice(
                "few-queries",
                f"{number(case.queries_a_month)} queries a month are fewer than {FEWEST_QUERIES:,}: "
                "below that the work on an expert hardly pays.",
            )
        )
    if examples is not None and examples < FEWEST_EXAMPLES:
        found.append(
            Advice(
                "few-examples",
                f"{examples:,} records to train on are fewer than {FEWEST_EXAMPLES:,}: put the documentation into the "
                "prompt instead, or collect more.",
            )
        )
    if float(main.saved) <= 0:
        from_there = (
            f"it pays from {main.pays_from.shown} queries a month"
            if main.pays_from.value is not None
            else "with these prices it never pays, however many ask"
        )
        found.append(
            Advice(
                "hosted-is-cheaper",
                f"{main.hosted.name} is cheaper: {main.month.shown} a month against {own.month.shown}; {from_there}.",
            )
        )
    found += _too_late(main)
    cheapest = min([main, *others], key=lambda one: float(one.month))
    if float(main.saved) > 0 and float(cheapest.saved) <= 0:
        found.append(
            Advice(
                "another-is-cheaper",
                f"{cheapest.hosted.name} costs {cheapest.month.shown} a month, less than {own.month.shown}: "
                "ask it the same questions first (`boffin evaluate` compares any endpoint).",
            )
        )
    if float(own.used) < HARDLY_USED and float(own.rent) + case.purchase_usd > 0:
        found.append(
            Advice(
                "hardly-used",
                f"{percent(float(own.used))} of the capacity is used: serve it on a processor that is there anyway, "
                "share the card, or rent it by the hour.",
            )
        )
    return found


def _too_late(main: Versus) -> list[Advice]:
    """Whether what was paid for is worn out, or out of date, before it has come back."""
    own, case, months = main.own, main.own.case, main.break_even_months.value
    if months is None:
        if float(main.no_longer_paid) <= 0:
            return []
        lives = {
            f"the expert is made anew every {number(case.model_life_months)} months": float(own.once),
            f"the hardware lasts {number(case.write_off_years)} years": case.purchase_usd,
        }
        why = " and ".join(text for text, spent in lives.items() if spent)
        return [Advice("pays-too-late", f"The {own.upfront.shown} don't come back in time: {why}.")]
    spent = dollars(spent_until(own, months)[0])
    if case.purchase_usd and months > 12 * case.write_off_years:
        life = f"{number(case.write_off_years)} years that the hardware lasts"
        return [Advice("pays-too-late", f"The {spent} come back after {months:,.0f} months, beyond the {life}.")]
    if not case.purchase_usd and months > PATIENCE_MONTHS:
        return [
            Advice(
                "pays-too-late",
                f"The {spent} come back after {months:,.0f} months; in {PATIENCE_MONTHS} models and prices will have "
                "changed.",
            )
        ]
    return []
