"""Preferences: which of two answers to the same question a person would rather have had.

`preferences.jsonl` has one `Preference` a line, people's votes, and the trainer learns from them. Nothing from the
evaluation suite or the held-out records belongs there. Knows nothing about who votes, or how.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, ValidationError

from bundle.errors import DatasetError

PREFERENCES = "preferences.jsonl"


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty")
    return text


Said = Annotated[str, AfterValidator(_said)]
"""A text with something in it."""


class Preference(BaseModel):
    """One vote."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: Said
    """The question, as the user's only message; the system prompt isn't part of it."""
    chosen: Said
    """The answer that the person preferred, in Markdown."""
    rejected: Said
    """The other answer."""
    model: str = ""
    """The expert that gave the answers, by its name over HTTP; empty where unknown."""
    when: AwareDatetime | None = None
    """When the vote was given."""


def read_preferences(path: Path) -> Iterator[tuple[int, Preference]]:
    """Yield each preference of a JSON-lines file with its line's number, from 1; blank lines are passed over.

    Raises:
        DatasetError: the file is missing, or a line is not a preference; the text names the line.
    """
    if not path.is_file():
        raise DatasetError(f"{path}: no such file; `trainer.preferences` names the file of people's votes")
    with path.open("rb") as handle:
        for number, line in enumerate(handle, start=1):
            if not line.strip():
                continue
            try:
                yield number, Preference.model_validate_json(line)
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(str(part) for part in first["loc"]) or "line"
                said = first["msg"].removeprefix("Value error, ")
                raise DatasetError(
                    f"{path}:{number}: not a preference ({where}: {said}); mend or remove the line"
                ) from None
