"""Prices: a data file with, for each, the date it was taken and where from. Never touches the network."""

from __future__ import annotations

import difflib
import tomllib
from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from bundle.errors import SettingsError
from evaluation.cost.case import Hosted
from evaluation.cost.settings import MOST, not_next_to_nothing
from evaluation.escape import one_line

SHIPPED = Path(__file__).parent / "prices.toml"
MAX_BYTES = 1_000_000
"""Size beyond which a file is no price file."""


class _Price(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    _usual = field_validator("*")(not_next_to_nothing)

    taken: date
    """When somebody looked."""
    source: str = Field(min_length=1)
    """Where, e.g. an address."""
    note: str = ""
    """What else is worth knowing."""

    @property
    def origin(self) -> str:
        """Date and place on one line."""
        place = self.source.removeprefix("https://").removeprefix("http://").removeprefix("www.").partition("/")[0]
        return one_line(f"{place}, {self.taken.isoformat()}")


class _NamedPrice(_Price):
    name: str = Field(min_length=1, max_length=40)

    @field_validator("name")
    @classmethod
    def _not_blank(cls, name: str) -> str:
        if not one_line(name).strip("\N{REPLACEMENT CHARACTER} "):
            raise ValueError("should have a character that can be seen")
        return name

    @property
    def key(self) -> str:
        """What it is found by."""
        return one_line(self.name).lower()


class HostedPrice(_NamedPrice):
    """What a hosted model charges; of its prices those that aren't given are 0, one has to be."""

    usd_a_million_prompt_tokens: float = Field(default=0, ge=0, le=MOST)
    usd_a_million_answer_tokens: float = Field(default=0, ge=0, le=MOST)
    usd_a_request: float = Field(default=0, ge=0, le=MOST)
    """For each request, whatever its length."""

    @model_validator(mode="after")
    def _priced(self) -> Self:
        if all(name not in self.model_fields_set for name in type(self).model_fields if name.startswith("usd")):
            raise ValueError(
                "give a price: usd_a_million_prompt_tokens and usd_a_million_answer_tokens, or usd_a_request"
            )
        return self

    @property
    def hosted(self) -> Hosted:
        """For the reckoning."""
        return Hosted(
            one_line(self.name),
            self.usd_a_million_prompt_tokens,
            self.usd_a_million_answer_tokens,
            self.usd_a_request,
        )


class CardPrice(_NamedPrice):
    """A card, or a machine without one: rented by the hour or bought."""

    usd_an_hour: float = Field(default=0, ge=0, le=MOST)
    usd: float = Field(default=0, ge=0, le=MOST)
    load_watts: float = Field(default=0, ge=0, le=MOST)
    idle_watts: float = Field(default=0, ge=0, le=MOST)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if bool(self.usd_an_hour) == bool(self.usd):
            raise ValueError("give either usd_an_hour (rented) or usd (bought)")
        if self.load_watts and self.idle_watts > self.load_watts:
            raise ValueError("more idle_watts than load_watts")
        return self


class ElectricityPrice(_Price):
    """What a kilowatthour costs."""

    usd_a_kwh: float = Field(ge=0, le=MOST)


_Named = TypeVar("_Named", HostedPrice, CardPrice)


class Prices(BaseModel):
    """All prices of a file, or of several."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hosted: tuple[HostedPrice, ...] = ()
    cards: tuple[CardPrice, ...] = ()
    electricity: ElectricityPrice | None = None

    @field_validator("hosted", "cards")
    @classmethod
    def _each_once(cls, entries: tuple[_Named, ...]) -> tuple[_Named, ...]:
        counts = Counter(entry.key for entry in entries)
        if twice := [key for key, count in counts.items() if count > 1]:
            raise ValueError(f"two are called {twice[0]!r}; give each its own name")
        return entries

    def find_hosted(self, name: str) -> HostedPrice:
        """The hosted model of a name.

        Raises:
            SettingsError: none is called so.
        """
        return _find(self.hosted, name, "hosted model")

    def find_card(self, name: str) -> CardPrice:
        """The card of a name.

        Raises:
            SettingsError: none is called so.
        """
        return _find(self.cards, name, "card")

    def over(self, others: Prices) -> Prices:
        """These, and of the others what these lack."""
        return Prices(
            hosted=_merged(self.hosted, others.hosted),
            cards=_merged(self.cards, others.cards),
            electricity=self.electricity or others.electricity,
        )


def load_prices(own: Path | None = None) -> Prices:
    """The shipped prices, with those of the user's file before them.

    Raises:
        SettingsError: the file is missing or none; one line says where.
    """
    shipped = read_prices(SHIPPED)
    return read_prices(own).over(shipped) if own else shipped


def read_prices(path: Path) -> Prices:
    """One file alone.

    Raises:
        SettingsError: it is missing or none; one line says where.
    """
    return read_toml(path, Prices, "prices")


_Model = TypeVar("_Model", bound=BaseModel)


def read_toml(path: Path, model: type[_Model], what: str) -> _Model:
    """A TOML file as a model.

    Raises:
        SettingsError: it is missing, no TOML, or doesn't fit; one line says where.
    """
    try:
        with path.open("rb") as handle:
            content = handle.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise SettingsError(f"{path}: more than {MAX_BYTES:,} bytes; is that a file of {what}?")
        return model.model_validate(tomllib.loads(content.decode()))
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise SettingsError(f"{path}: no such file; name a TOML file of {what}") from None
    except OSError as error:
        raise SettingsError(f"{path}: can't be read ({error.strerror}); name a TOML file of {what}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "its start"
        raise SettingsError(f"{path}: `{one_line(where)}`: {one_line(first['msg'])}") from None
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path}: not valid TOML: {one_line(str(error))}") from None


def _find(entries: Sequence[_Named], name: str, what: str) -> _Named:
    by_name, key = {entry.key: entry for entry in entries}, one_line(name).lower()
    if key in by_name:
        return by_name[key]
    near = difflib.get_close_matches(key, by_name, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"there are {one_line(', '.join(by_name))}"
    raise SettingsError(f"no {what} {one_line(name)!r} among the prices; {hint}")


def _merged(first: Sequence[_Named], second: Sequence[_Named]) -> tuple[_Named, ...]:
    merged = list(first)
    named = {entry.key for entry in first}
    merged += [entry for entry in second if entry.key not in named]
    return tuple(merged)
