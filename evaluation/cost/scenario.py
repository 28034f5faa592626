"""A scenario: cases and prices in one file, with what somebody says they come to, checked against what they do.

`article.toml` is the reference article's. Knows nothing about how it is shown.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bundle.errors import SettingsError
from evaluation.cost.figure import Figure
from evaluation.cost.inputs import gather
from evaluation.cost.measured import Measured
from evaluation.cost.own import own_cost
from evaluation.cost.prices import Prices, read_toml
from evaluation.cost.settings import CostSettings
from evaluation.cost.versus import Versus, against
from evaluation.escape import one_line

FOLDER = Path(__file__).parent
SHIPPED = ("article",)
Verdict = Literal["exact", "rounded", "off", ""]


class Row(BaseModel):
    """One row of a scenario's tables."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    table: str
    """The table that it stands in."""
    what: str
    """What people read."""
    case: str
    """A case of the scenario."""
    against: str
    """A hosted model of the scenario."""
    figure: str
    """The name of a figure."""
    said: float | None = Field(default=None, ge=-1e15, le=1e15)
    """What somebody says it is; None where nobody does."""
    to: float = Field(default=1, gt=0)
    """The step that this was rounded to."""
    note: str = ""
    """What is to be known about it."""


class _Scenario(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    prices: Prices
    cases: dict[str, dict[str, Any]]
    rows: tuple[Row, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Checked:
    """A row, and what its inputs give."""

    row: Row
    figure: Figure

    @property
    def verdict(self) -> Verdict:
        """Whether what is said is what comes out, or what comes out rounded; empty where nothing is said."""
        if self.row.said is None:
            return ""
        if self.figure.value is None:
            return "off"
        if math.isclose(self.figure.value, self.row.said, rel_tol=1e-9):
            return "exact"
        return "rounded" if abs(self.figure.value - self.row.said) <= self.row.to / 2 * (1 + 1e-9) else "off"

    @property
    def said(self) -> str:
        """What is said, as a figure is shown."""
        if self.row.said is None:
            return ""
        return Figure(self.figure.name, self.figure.title, self.row.said, self.figure.unit, "").shown


@dataclass(frozen=True)
class Scenario:
    """A scenario, reckoned."""

    title: str
    checked: tuple[Checked, ...]

    @property
    def tables(self) -> Mapping[str, list[Checked]]:
        """The rows by their table, both in the file's order."""
        found: dict[str, list[Checked]] = {}
        for one in self.checked:
            found.setdefault(one.row.table, []).append(one)
        return found

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "title": self.title,
            "rows": [
                one.row.model_dump(include={"table", "what", "said", "note"})
                | {"verdict": one.verdict or None, "figure": one.figure.name}
                | one.figure.as_json()
                for one in self.checked
            ],
        }


def load_scenario(name: str) -> Scenario:
    """Reckon a scenario: a shipped one's name, or a file.

    Raises:
        SettingsError: there is none, or it can't be used; one line says where.
    """
    path = FOLDER / f"{name}.toml" if name in SHIPPED else Path(name)
    if name not in SHIPPED and not path.suffix:
        raise SettingsError(f"no scenario {one_line(name)!r}; there is {', '.join(SHIPPED)}, or name a TOML file")
    read = read_toml(path, _Scenario, "a scenario")
    compared = {name: partial(_compare, _settings(path, read, name), read.prices) for name in read.cases}
    checked = []
    for row in read.rows:
        if row.case not in compared:
            raise SettingsError(f"{path}: row {one_line(row.what)!r} names no case {one_line(row.case)!r}")
        versus = compared[row.case](row.against)
        figures = {figure.name: figure for figure in (*versus.own.figures, *versus.figures)}
        if row.figure not in figures:
            near = difflib.get_close_matches(row.figure, figures, n=1, cutoff=0)[0]
            raise SettingsError(
                f"{path}: row {one_line(row.what)!r}: no figure {one_line(row.figure)!r}; did you mean `{near}`?"
            )
        checked.append(Checked(row, figures[row.figure]))
    return Scenario(read.title, tuple(checked))


def _settings(path: Path, read: _Scenario, name: str) -> CostSettings:
    """A case's settings over those that it inherits."""
    values = dict(read.cases[name])
    seen = {name}
    while (parent := values.pop("inherits", None)) is not None:
        if not isinstance(parent, str) or parent not in read.cases or parent in seen:
            raise SettingsError(
                f"{path}: `cases.{one_line(name)}` inherits from no other case: {one_line(str(parent))!r}"
            )
        seen.add(parent)
        values = read.cases[parent] | values
    try:
        return CostSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(["cases", name, *(str(part) for part in first["loc"])])
        raise SettingsError(f"{path}: `{one_line(where)}`: {one_line(first['msg'])}") from None


def _compare(settings: CostSettings, prices: Prices, hosted: str) -> Versus:
    inputs = gather(settings.model_copy(update={"against": hosted}), prices, Measured())
    return against(own_cost(inputs.case), inputs.main)
