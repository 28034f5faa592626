"""The base class of every room's part of the settings. Knows nothing about files or variables."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class SettingsPart(BaseModel):
    """A frozen part of the settings; each field's docstring is its documentation, an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True)
