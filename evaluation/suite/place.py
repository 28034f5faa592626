"""Where the suite that the settings name lies, and the folder that one is written into.

Knows nothing about what is in it.
"""

from __future__ import annotations

from pathlib import Path

from bundle.errors import SuiteError

PYTHON = "python"
"""What the settings call the suite that comes with Boffin."""
SHIPPED = Path(__file__).parents[1] / "suites" / PYTHON
"""The suite that comes with Boffin: requests, numpy, pandas and the standard library."""


def suite_folder(name: str, project: Path) -> Path:
    """The folder, or file, of the suite that the settings name; paths are relative to the folder `project`."""
    return SHIPPED if name == PYTHON else project / Path(name).expanduser()


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, unless it is there.

    Raises:
        SuiteError: a file is in its way.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise SuiteError(f"{folder}: a file is in the way; name another folder") from None
