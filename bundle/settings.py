"""The base class of every room's part of the settings. Knows nothing about files or variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, get_args

from pydantic import BaseModel, ConfigDict


class SettingsPart(BaseModel):
    """A frozen part of the settings; each field's docstring is its documentation, an unknown key is an error."""

    # Without pydantic's `use_attribute_docstrings`: it reads the source of every class at every start.
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    rivals: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Key → the keys that say the same otherwise: where it is given, those given before it count no more."""


def parts_in(annotation: Any) -> list[type[BaseModel]]:
    """The settings parts in a field's annotation, also inside a tuple or a union."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return list(dict.fromkeys(one for part in get_args(annotation) for one in parts_in(part)))
