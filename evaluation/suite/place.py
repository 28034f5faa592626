"""Where the suite that the settings name lies. Knows nothing about what is in it."""

from __future__ import annotations

from pathlib import Path

PYTHON = "python"
"""What the settings call the suite that comes with Boffin."""
SHIPPED = Path(__file__).parents[1] / "suites" / PYTHON
"""The suite that comes with Boffin: requests, numpy, pandas and the standard library."""


def suite_folder(name: str, project: Path) -> Path:
    """The folder, or file, of the suite that the settings name; paths are relative to the folder `project`."""
    return SHIPPED if name == PYTHON else project / Path(name).expanduser()
