"""The cost calculator's part of the settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, field_validator

from bundle.settings import SettingsPart

LEAST, MOST = 1e-9, 1e12
"""Between these are all inputs that aren't 0: with others the reckoning would have no end or no meaning."""


def not_next_to_nothing(value: Any) -> Any:
    """The value of a field, unless it is a number so near to 0.

    Raises:
        ValueError: it is.
    """
    if isinstance(value, float) and 0 < value < LEAST:
        raise ValueError(f"should be 0 or at least {LEAST}")
    return value


class CostSettings(SettingsPart):
    """What `boffin cost` reckons with; what isn't given is measured, in the price file, or assumed."""

    rivals: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "requests_a_minute": ("tokens_a_second", "benchmark"),
        "tokens_a_second": ("requests_a_minute", "benchmark"),
        "benchmark": ("requests_a_minute", "tokens_a_second"),
        "rent_usd_an_hour": ("purchase_usd", "card"),
        "purchase_usd": ("rent_usd_an_hour",),
        "card": ("rent_usd_an_hour", "purchase_usd"),
    }
    _usual = field_validator("*")(not_next_to_nothing)

    queries_a_month: float = Field(default=100_000, ge=1, le=MOST)
    """Queries a month."""
    prompt_tokens: float | None = Field(default=None, gt=0, le=MOST)
    """Tokens of a query with all that is put before it; without it the mean of the evaluation's prompts, else 500."""
    answer_tokens: float | None = Field(default=None, gt=0, le=MOST)
    """Tokens of an answer; without it the mean of the evaluation's answers, else 500."""
    requests_a_minute: float | None = Field(default=None, gt=0, le=MOST)
    """Answers a minute that one card gives at full load."""
    tokens_a_second: float | None = Field(default=None, gt=0, le=MOST)
    """The same as answer tokens a second, all requests together; without either the evaluation's, else 100 a minute."""
    benchmark: str = ""
    """A benchmark's results file, relative to boffin.toml, whose highest `tokens_per_second` is taken."""
    cache_hit_share: float = Field(default=0, ge=0, le=0.99)
    """Share of the queries that the appliance answers from its cache."""
    idle_share: float = Field(default=0.5, ge=0, le=0.99)
    """Share of the hours in which nobody asks, so that the rest needs more capacity."""
    hours_a_month: float = Field(default=720, gt=0, le=744)
    """Hours a month that cards are rented or switched on; 720 is always."""
    prices: str = ""
    """Your own price file, relative to boffin.toml; its entries come before the shipped ones."""
    against: str = "gpt-4o-mini"
    """The hosted model that is compared with in detail, by its name in the price file."""
    card: str = "rtx-4090"
    """What serves, by its name in the price file; its watts count also where its price or rent is given."""
    rent_usd_an_hour: float | None = Field(default=None, ge=0, le=MOST)
    """Rent of one card, in place of the price file's; over a `card` that was set before, that one goes."""
    purchase_usd: float | None = Field(default=None, gt=0, le=MOST)
    """Price of one card with its machine, where it is bought, in place of the price file's."""
    write_off_years: float = Field(default=3, gt=0, le=20)
    """How long bought hardware lasts."""
    load_watts: float | None = Field(default=None, ge=0, le=100_000)
    """Power at full load, at the socket, in place of the price file's; 0 where the rent has it."""
    idle_watts: float | None = Field(default=None, ge=0, le=100_000)
    """Power while nobody asks, in place of the price file's."""
    usd_a_kwh: float | None = Field(default=None, ge=0, le=MOST)
    """Price of electricity, in place of the price file's."""
    curation_hours: float = Field(default=16, ge=0, le=MOST)
    """People's hours until the expert is first in use."""
    upkeep_hours_a_month: float = Field(default=2, ge=0, le=MOST)
    """People's hours a month afterwards."""
    work_usd_an_hour: float = Field(default=60, ge=0, le=MOST)
    """What an hour of people costs."""
    upkeep_usd_a_month: float = Field(default=0, ge=0, le=MOST)
    """Anything else that is paid every month."""
    training_hours: float | None = Field(default=None, ge=0, le=MOST)
    """Hours of one training run; without it those of the last adapter, else 1."""
    training_runs: float = Field(default=3, ge=0, le=MOST)
    """Runs until one is kept."""
    training_usd_an_hour: float | None = Field(default=None, ge=0, le=MOST)
    """Price of an hour of training; without it the card's rent, or its power."""
    training_usd: float = Field(default=0, ge=0, le=MOST)
    """What else training costs, at once, e.g. a teacher's bill."""
    model_life_months: float = Field(default=12, ge=1, le=240)
    """After how many months the expert is made anew; what was spent once is written off over them."""
