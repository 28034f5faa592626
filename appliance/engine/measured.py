"""What was measured once a machine and is remembered, a JSON object a file. A damaged file counts as none."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from bundle.atomic import write_json

MOST = 100
"""Things that are remembered in a file; then it is begun anew."""


def home(place: Path) -> Path | None:
    """The place with the user's home in it; None where a user has none, as in a container."""
    try:
        return place.expanduser()
    except RuntimeError:
        return None


def recall(place: Path) -> dict[str, Any]:
    """All that is remembered there."""
    try:
        known = json.loads(place.read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def remember(place: Path, key: str, value: Any) -> None:
    """Remember one thing more; where nothing can be written it is measured at the next start, too."""
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        known = recall(place)
        write_json(place, {**(known if len(known) < MOST else {}), key: value})
