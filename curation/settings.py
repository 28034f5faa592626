"""Curation's part of the settings."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bundle.settings import SettingsPart


class PackageSource(SettingsPart):
    """Installed packages, read by importing them and looking at what is there."""

    kind: Literal["package"] = "package"
    """The kind of source: installed packages."""
    packages: tuple[str, ...] = Field(min_length=1)
    """Import names of the packages, e.g. `numpy`; `stdlib` stands for Python's standard library."""
    python: str = ""
    """The Python interpreter whose packages are read, e.g. `../sdk/.venv/bin/python`; empty for Boffin's own."""


class Filters(SettingsPart):
    """What a record must be like to be kept."""

    min_characters: int = Field(default=50, ge=1)
    """Shortest answer that is kept, in characters."""
    max_characters: int = Field(default=2000, ge=1)
    """Longest answer that is kept, in characters."""


class CurationSettings(SettingsPart):
    """How documentation becomes a dataset."""

    sources: tuple[PackageSource, ...] = Field(default=(), min_length=1)
    """Where the documentation comes from; at least one `[[curation.sources]]`."""
    filters: Filters = Filters()
    """What a record must be like to be kept."""
    held_out: float = Field(default=0.1, gt=0, lt=1)
    """Share of the records that are held out for the evaluation, split by symbol."""
    max_share: float = Field(default=0.4, gt=0, lt=1)
    """Largest share of the records that one library may have, where there are three or more."""
