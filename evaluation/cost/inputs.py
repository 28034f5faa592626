"""The inputs of a case and where each comes from: given, measured, in the price file, or assumed.

In that order: what the user gives wins. Pure; knows nothing about files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from bundle.errors import SettingsError
from evaluation.cost.case import Case, Hosted
from evaluation.cost.measured import Measured, Measurement
from evaluation.cost.prices import CardPrice, Prices
from evaluation.cost.settings import CostSettings

GIVEN, ASSUMED = "given", "assumed"
_FALLBACK = {"prompt_tokens": 500.0, "answer_tokens": 500.0, "training_hours": 1.0}
"""What is assumed where nothing is known; the tokens are the reference article's."""
_REQUESTS_A_MINUTE = 100.0
"""The reference article's throughput of a rented card."""
_LOAD_WATTS, _IDLE_WATTS = 450.0, 60.0
"""What a bought card and its machine are assumed to draw where nothing says it."""
_PLAIN = (
    "queries_a_month",
    "cache_hit_share",
    "idle_share",
    "hours_a_month",
    "write_off_years",
    "curation_hours",
    "upkeep_hours_a_month",
    "work_usd_an_hour",
    "upkeep_usd_a_month",
    "training_runs",
    "training_usd",
    "model_life_months",
)
"""Inputs that are what the settings say."""


@dataclass(frozen=True)
class Inputs:
    """Everything that a comparison starts from."""

    case: Case
    origins: Mapping[str, str]
    """Field of the case → where its value comes from."""
    main: Hosted
    others: tuple[Hosted, ...]
    """The other hosted models of the price file."""
    price_origins: Mapping[str, str]
    """Hosted model's name → where its price comes from."""
    examples: int | None
    """Records to train on; None where there is no dataset."""

    def __post_init__(self) -> None:
        missing = {field.name for field in fields(Case)} - self.origins.keys()
        assert not missing, missing


def gather(settings: CostSettings, prices: Prices, measured: Measured, benchmark: Measurement | None = None) -> Inputs:
    """Put the inputs together.

    Raises:
        SettingsError: two of them contradict each other, or name a price that isn't there.
    """
    given = settings.model_fields_set
    values: dict[str, float] = {}
    origins: dict[str, str] = {}

    def take(name: str, value: float, origin: str) -> None:
        values[name], origins[name] = value, origin

    for name in _PLAIN:
        take(name, getattr(settings, name), GIVEN if name in given else ASSUMED)
    for name, fallback in _FALLBACK.items():
        found: Measurement | None = getattr(measured, name)
        if getattr(settings, name) is not None:
            take(name, getattr(settings, name), GIVEN)
        elif found:
            take(name, found.value, found.origin)
        else:
            take(name, fallback, ASSUMED)
    for name, (value, origin) in _throughput(settings, measured, benchmark).items():
        take(name, value, origin)
    for name, (value, origin) in _hardware(settings, prices).items():
        take(name, value, origin)
    if settings.training_usd_an_hour is not None:
        take("training_usd_an_hour", settings.training_usd_an_hour, GIVEN)
    elif values["rent_usd_an_hour"]:
        take("training_usd_an_hour", values["rent_usd_an_hour"], "the card's rent")
    else:
        take("training_usd_an_hour", values["load_watts"] / 1000 * values["usd_a_kwh"], "the card's power")
    chosen = prices.find_hosted(settings.against)
    return Inputs(
        case=Case(**values),
        origins=origins,
        main=chosen.hosted,
        others=tuple(price.hosted for price in prices.hosted if price is not chosen),
        price_origins={price.hosted.name: price.origin for price in prices.hosted},
        examples=round(measured.examples.value) if measured.examples else None,
    )


def _throughput(
    settings: CostSettings, measured: Measured, benchmark: Measurement | None
) -> dict[str, tuple[float, str]]:
    unused = (0.0, "not used")
    _one_of(settings, "requests_a_minute", "tokens_a_second", "benchmark")
    if settings.requests_a_minute is not None:
        return {"requests_a_minute": (settings.requests_a_minute, GIVEN), "tokens_a_second": unused}
    if settings.tokens_a_second is not None:
        return {"requests_a_minute": unused, "tokens_a_second": (settings.tokens_a_second, GIVEN)}
    found = benchmark or measured.tokens_a_second
    if found:
        return {"requests_a_minute": unused, "tokens_a_second": (found.value, found.origin)}
    return {"requests_a_minute": (_REQUESTS_A_MINUTE, ASSUMED), "tokens_a_second": unused}


def _hardware(settings: CostSettings, prices: Prices) -> dict[str, tuple[float, str]]:
    """Rent or price, watts and electricity."""
    _one_of(settings, "rent_usd_an_hour", "purchase_usd")
    unused = (0.0, "not used")
    priced = settings.rent_usd_an_hour is not None or settings.purchase_usd is not None
    card: CardPrice | None = None
    if "card" in settings.model_fields_set or not priced:
        card = prices.find_card(settings.card)
    rent, purchase = unused, unused
    if settings.rent_usd_an_hour is not None:
        rent = (settings.rent_usd_an_hour, GIVEN)
    elif settings.purchase_usd is not None:
        purchase = (settings.purchase_usd, GIVEN)
    elif card:
        origin = f"{card.name}, {card.origin}"
        rent = (card.usd_an_hour, origin) if card.usd_an_hour else unused
        purchase = (card.usd, origin) if card.usd else unused

    bought = bool(purchase[0])
    load = _watts(settings.load_watts, card, card.load_watts if card else 0, bought, _LOAD_WATTS)
    idle = _watts(settings.idle_watts, card, card.idle_watts if card else 0, bought, min(_IDLE_WATTS, load[0]))
    if idle[0] > load[0]:
        raise SettingsError(
            f"evaluation.cost: `idle_watts` is {idle[0]:g} ({idle[1]}), more than `load_watts`, which is {load[0]:g} "
            f"({load[1]}); give both"
        )
    power = prices.electricity
    return {
        "rent_usd_an_hour": rent,
        "purchase_usd": purchase,
        "load_watts": load,
        "idle_watts": idle,
        "usd_a_kwh": (settings.usd_a_kwh, GIVEN)
        if settings.usd_a_kwh is not None
        else (power.usd_a_kwh, power.origin)
        if power
        else unused,
    }


def _one_of(settings: CostSettings, *names: str) -> None:
    given = [f"`{name}`" for name in names if getattr(settings, name) not in (None, "")]
    if len(given) > 1:
        raise SettingsError(f"evaluation.cost: {given[0]} and {given[1]} are both given; leave one of them out")


def _watts(
    given: float | None, card: CardPrice | None, listed: float, bought: bool, fallback: float
) -> tuple[float, str]:
    """Power: as given, as the price file has it, assumed for bought hardware, none where the rent has it."""
    if given is not None:
        return given, GIVEN
    if card and listed:
        return listed, f"{card.name}, {card.origin}"
    return (fallback, ASSUMED) if bought else (0.0, "in the rent")
