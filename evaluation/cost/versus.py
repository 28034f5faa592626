"""Serving it oneself against asking a hosted model: what is saved, and when it has paid. Pure arithmetic.

Two views, which answer two questions. A month's cost has everything written off: what does an answer cost? The
break-even is about money paid: what was spent at once, hardware in full, against what is no longer paid every month.
After its life the expert is made anew, and worn hardware is replaced.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from evaluation.cost.case import DAYS_A_MONTH, Hosted
from evaluation.cost.figure import Figure, number, plus, usd
from evaluation.cost.own import Own

_ROUNDS = 1000
"""How often a break-even is sought further on, after what is spent until then, before it is given up."""


@dataclass(frozen=True)
class Versus:
    """The figures of one case against one hosted model."""

    own: Own
    hosted: Hosted
    query: Figure
    million_tokens: Figure
    month: Figure
    saved: Figure
    """A month, everything written off; negative where hosted is cheaper."""
    saved_share: Figure
    """The same of what hosted costs."""
    no_longer_paid: Figure
    """What hosted costs a month beyond what is paid every month for serving it oneself."""
    break_even_months: Figure
    break_even_days: Figure
    break_even_queries: Figure
    first_year: Figure
    """Money kept after twelve months, with all that was spent at once until then."""
    pays_from: Figure
    """Queries a month from which a month costs less, everything written off.

    The least load of the kind; where the case's is beyond that and a card more has made it dearer again, the next.
    """

    @property
    def figures(self) -> list[Figure]:
        """All of them; each builds on those before it."""
        values = [getattr(self, field.name) for field in fields(self)]
        return [value for value in values if isinstance(value, Figure)]


def against(own: Own, hosted: Hosted) -> Versus:
    """Compare a case with a hosted model that answers the same queries in as many tokens."""
    query, million, month = _hosted_cost(own, hosted)
    saved = float(month) - float(own.month)
    kept = float(month) - float(own.running)
    months, days, queries = _break_even(own, kept, saved)
    spent, how = spent_until(own, 12)
    return Versus(
        own=own,
        hosted=hosted,
        query=query,
        million_tokens=million,
        month=month,
        saved=Figure(
            "saved_usd_a_month",
            "saved, a month",
            saved,
            "usd",
            f"{usd(float(month))} − {usd(float(own.month))}",
        ),
        saved_share=Figure(
            "saved_share",
            "saved",
            saved / float(month) if float(month) else None,
            "share",
            f"{usd(saved)} / {usd(float(month))}" if float(month) else "hosted costs nothing",
        ),
        no_longer_paid=Figure(
            "no_longer_paid_usd_a_month",
            "no longer paid, a month",
            kept,
            "usd",
            f"{usd(float(month))} − {usd(float(own.running))}",
        ),
        break_even_months=months,
        break_even_days=days,
        break_even_queries=queries,
        first_year=Figure(
            "first_year_usd",
            "kept after the first year",
            12 * kept - spent,
            "usd",
            f"12 × {usd(kept)} − {how}",
        ),
        pays_from=_pays_from(own, float(query), saved),
    )


def _hosted_cost(own: Own, hosted: Hosted) -> tuple[Figure, Figure, Figure]:
    case = own.case
    prompt, answer = hosted.usd_a_million_prompt_tokens, hosted.usd_a_million_answer_tokens
    query = (case.prompt_tokens * prompt + case.answer_tokens * answer) / 1e6 + hosted.usd_a_request
    tokens = case.prompt_tokens + case.answer_tokens
    return (
        Figure(
            "hosted_usd_a_query",
            "hosted, a query",
            query,
            "usd",
            plus(
                (
                    prompt + answer,
                    f"({number(case.prompt_tokens)} × {usd(prompt)} + {number(case.answer_tokens)} × {usd(answer)}) "
                    "/ 1,000,000",
                ),
                (hosted.usd_a_request, usd(hosted.usd_a_request)),
            ),
        ),
        Figure(
            "hosted_usd_a_million_tokens",
            "hosted, a million tokens",
            query / tokens * 1e6,
            "usd",
            f"{usd(query)} / ({number(case.prompt_tokens)} + {number(case.answer_tokens)}) × 1,000,000",
        ),
        Figure(
            "hosted_usd_a_month",
            "hosted, a month",
            case.queries_a_month * query,
            "usd",
            f"{number(case.queries_a_month)} × {usd(query)}",
        ),
    )


def spent_until(own: Own, months: float) -> tuple[float, str]:
    """What has been spent at once after so many months, in dollars, and its formula."""
    case, once = own.case, float(own.once)
    hardware = float(own.cards) * case.purchase_usd
    made, bought = _lives(months, case.model_life_months), _lives(months, 12 * case.write_off_years)
    if made == bought == 1:
        return float(own.upfront), usd(float(own.upfront))
    how = plus((once, f"{made} × {usd(once)}"), (hardware, f"{bought} × {usd(hardware)}"))
    return made * once + bought * hardware, f"({how})"


def _lives(months: float, life: float) -> int:
    """How many lives have begun when so many months are over."""
    return max(1, math.ceil(months / life - 1e-9))


def _break_even(own: Own, kept: float, saved: float) -> tuple[Figure, Figure, Figure]:
    if kept <= 0:
        return _never("every month costs as much as hosted, or more")
    if saved <= 0:
        return _never("what is spent at once is due again before it has come back")
    passed = 0.0
    for _ in range(_ROUNDS):
        spent, how = spent_until(own, passed)
        if spent / kept <= passed:
            break
        passed = spent / kept
    else:
        return _never("not in a lifetime")
    formula = f"{how} / {usd(kept)}"
    return (
        Figure("break_even_months", "break-even, in months", passed, "months", formula),
        Figure(
            "break_even_days",
            "break-even, in days",
            passed * DAYS_A_MONTH,
            "days",
            f"{formula} × {DAYS_A_MONTH}",
        ),
        Figure(
            "break_even_queries",
            "break-even, in queries",
            passed * own.case.queries_a_month,
            "queries",
            f"{formula} × {number(own.case.queries_a_month)}",
        ),
    )


def _never(why: str) -> tuple[Figure, Figure, Figure]:
    return (
        Figure("break_even_months", "break-even, in months", None, "months", why),
        Figure("break_even_days", "break-even, in days", None, "days", why),
        Figure("break_even_queries", "break-even, in queries", None, "queries", why),
    )


def _pays_from(own: Own, hosted_query: float, saved: float) -> Figure:
    """The least load, on fewer cards than the case's only where that saves, at which a month costs no more than hosted.

    With n cards a month costs n × `card` + `fixed` + `each` a query, up to n × `most` queries; so that many cards are
    needed that this line meets the hosted one before they are full.
    """
    name, title = "pays_from_queries_a_month", "cheaper from, a month"
    case = own.case
    card = (
        case.rent_usd_an_hour * case.hours_a_month
        + case.idle_watts * case.hours_a_month / 1000 * case.usd_a_kwh
        + case.purchase_usd / (12 * case.write_off_years)
    )
    fixed = float(own.upkeep) + float(own.once) / case.model_life_months
    served = 1 - case.cache_hit_share
    full_power = (case.load_watts - case.idle_watts) * case.hours_a_month / 1000 * case.usd_a_kwh
    each = served * full_power / float(own.capacity)
    most = float(own.usable) / served
    gain = hosted_query - each
    if most * gain <= card:
        return Figure(name, title, None, "queries", "a full card costs as much as hosted, or more")
    count = max(1, math.ceil(fixed / (most * gain - card) - 1e-9))
    if saved < 0:
        count = max(count, int(float(own.cards)))
    least = (count * card + fixed) / gain
    paid = plus((card, f"{count} × {usd(card)}"), (fixed, usd(fixed)))
    formula = f"({paid}) / ({usd(hosted_query)} − {usd(each)})" if each else f"({paid}) / {usd(hosted_query)}"
    before = (count - 1) * most
    if before > least:
        return Figure(name, title, before, "queries", f"({count} − 1) × {number(most)}")
    return Figure(name, title, least, "queries", formula)
