"""A figure: a value with its unit and the formula that it came from. Knows nothing about what is reckoned.

A formula is arithmetic with the numbers in it (`1,000,000 × $0.06`), so that anybody can do it again; a test does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

Unit = Literal["usd", "share", "load", "queries", "cards", "days", "months"]

NEVER = "never"
"""How a figure is shown that has no value, e.g. the break-even of what costs more every month."""
UNKNOWN = "not known"
"""The same of an amount."""
_DIGITS = 6
"""Significant digits of a number in a formula."""


@dataclass(frozen=True)
class Figure:
    """One result."""

    name: str
    """Its key in JSON, with the unit in it, e.g. `hosted_usd_a_month`."""
    title: str
    """What people read, e.g. `hosted, a month`."""
    value: float | None
    """In `unit`; shares from 0 to 1. None where there is none: then the formula says why, in words."""
    unit: Unit
    formula: str

    def __float__(self) -> float:
        """The value; not a number where there is none."""
        return math.nan if self.value is None else float(self.value)

    @property
    def shown(self) -> str:
        """The value with its unit, rounded for people; queries until something, and cards, are rounded up."""
        if self.value is None:
            return UNKNOWN if self.unit == "usd" else NEVER
        if self.unit == "usd":
            return dollars(self.value)
        if self.unit == "share":
            return percent(self.value)
        if self.unit in ("queries", "cards"):
            return f"{math.ceil(round(self.value, 6)):,}"
        if self.unit == "load":
            return f"{self.value:,.0f}"
        return _time(self.value)

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {"title": self.title, "value": self.value, "unit": self.unit, "formula": self.formula}


def _time(value: float) -> str:
    """Days or months for people: whole from 100 on, never 0 where it isn't."""
    if 0 < value < 0.05:
        return "< 0.1"
    whole = value >= 100 or value == round(value)
    return f"{value:,.0f}" if whole else f"{value:,.1f}"


def dollars(value: float) -> str:
    """An amount for people: whole from 1,000 on, else in cents; below a dollar three significant digits, if need be."""
    size, sign = abs(value), "−" if value < 0 else ""
    if size >= 999.5:
        return f"{sign}${size:,.0f}"
    if size >= 0.9995 or size == 0:
        return f"{sign}${size:,.2f}"
    whole, _, digits = f"{size:.{2 - math.floor(math.log10(size))}f}".partition(".")
    return f"{sign}${whole}.{digits.rstrip('0').ljust(2, '0')}"


def percent(value: float) -> str:
    """A share for people: two digits after the point near 100 %, where they matter, else one or none.

    Neither 0 % nor 100 % is said of what is only near it.
    """
    hundredths = 100 * value
    if 0 < hundredths < 0.005:
        return "< 0.01 %"
    if 99 < abs(hundredths) < 100:
        hundredths = math.copysign(min(abs(hundredths), 99.99), hundredths)
    digits = 2 if 99 < abs(hundredths) < 100 else 0 if hundredths == round(hundredths) else 1
    if 0 < abs(hundredths) < 0.1:
        digits = 2
    return f"{hundredths:,.{digits}f} %".replace("-", "−")


def number(value: float) -> str:
    """A number in a formula: six significant digits, thousands set apart, never an exponent."""
    if value == 0:
        return "0"
    digits = max(0, _DIGITS - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return f"(−{text[1:]})" if text.startswith("-") else text


def usd(value: float) -> str:
    """An amount in a formula; with two digits after the point, or more, where it has any."""
    text = number(abs(value))
    _, point, digits = text.partition(".")
    text += "0" if point and len(digits) == 1 else ""
    return f"(−${text})" if value < 0 else f"${text}"


def plus(*terms: tuple[float, str]) -> str:
    """The sum of terms in a formula, without those that are 0."""
    return " + ".join(text for value, text in terms if value) or "0"
