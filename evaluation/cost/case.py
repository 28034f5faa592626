"""A case: all inputs of the reckoning, as numbers with their units. Knows nothing about where they come from."""

from __future__ import annotations

from dataclasses import dataclass

DAYS_A_MONTH = 30
"""A month here has 30 days, as in the reference article."""


@dataclass(frozen=True)
class Hosted:
    """What a hosted model charges."""

    name: str
    """What people call it."""
    usd_a_million_prompt_tokens: float = 0
    usd_a_million_answer_tokens: float = 0
    usd_a_request: float = 0
    """For each request, whatever its length."""


@dataclass(frozen=True)
class Case:
    """One use of one expert, for a month. A card is whatever serves: a graphics card, or a machine without one."""

    queries_a_month: float
    prompt_tokens: float
    """Tokens a query, system prompt and template included."""
    answer_tokens: float
    """Tokens an answer."""
    requests_a_minute: float = 0
    """What one card answers at full load; 0 where `tokens_a_second` says it."""
    tokens_a_second: float = 0
    """Answer tokens of all requests together that one card makes at full load."""
    cache_hit_share: float = 0
    """Share of the queries that the appliance answers from its cache, for nothing."""
    idle_share: float = 0
    """Share of the hours in which nobody asks: nights, weekends."""
    hours_a_month: float = 24 * DAYS_A_MONTH
    """Hours that the cards are rented or switched on."""
    rent_usd_an_hour: float = 0
    """A card's rent; 0 where it is bought."""
    purchase_usd: float = 0
    """A card's price, with its share of the machine; 0 where it is rented."""
    write_off_years: float = 3
    """How long bought hardware lasts."""
    load_watts: float = 0
    """Power at full load, at the socket; 0 where the rent has it."""
    idle_watts: float = 0
    """Power while nothing is asked."""
    usd_a_kwh: float = 0
    """Price of electricity."""
    curation_hours: float = 0
    """People's hours until the expert is first in use."""
    upkeep_hours_a_month: float = 0
    """People's hours afterwards."""
    work_usd_an_hour: float = 0
    """What an hour of them costs."""
    upkeep_usd_a_month: float = 0
    """Anything else that is paid every month."""
    training_hours: float = 0
    """Hours of one training run."""
    training_runs: float = 1
    """Runs until one is kept."""
    training_usd_an_hour: float = 0
    """Price of an hour of the machine that trains."""
    training_usd: float = 0
    """What else training costs, at once."""
    model_life_months: float = 12
    """After how long the expert is made anew: what was spent once is written off over that."""
