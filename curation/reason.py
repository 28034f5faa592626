"""Why something is not kept. Knows nothing about who says so."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reason:
    """Why a record is not kept."""

    code: str
    """The reason code, e.g. `too-long`; the module that gives it lists its codes."""
    detail: str
    """What exactly was found."""
