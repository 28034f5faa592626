"""Where conversations lie: in the user's data folder, as the XDG Base Directory Specification has it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

FILE = "conversations.db"


def default_place(environment: Mapping[str, str] = os.environ) -> Path:
    """The file of this user's conversations."""
    named = environment.get("XDG_DATA_HOME", "")
    # The specification has relative paths ignored.
    data = Path(named) if named.startswith("/") else Path("~/.local/share").expanduser()
    return data / "boffin" / FILE
