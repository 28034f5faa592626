"""What the sources' content depends on: the interpreter and the versions of the packages that are read.

Cheap, so that `boffin status` can ask each time; reads no documentation.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import packages_distributions, version
from pathlib import Path

from bundle.errors import SourceError
from curation.settings import CurationSettings, PackageSource

_ASK = (
    "import json, sys; from importlib.metadata import packages_distributions, version;"
    "found = packages_distributions();"
    "print(json.dumps([sys.version, {p: [version(d) for d in found.get(p, [])] for p in sys.argv[1:]}]))"
)


def fingerprint(settings: CurationSettings, project: Path) -> list[object]:
    """One JSON value a source; it differs when the source would read something else.

    Raises:
        SourceError: a source's interpreter can't be run.
    """
    return [_of_packages(source, project) for source in settings.sources]


def _of_packages(source: PackageSource, project: Path) -> object:
    if not source.python:
        found = packages_distributions()
        return [sys.version, {name: [version(d) for d in found.get(name, [])] for name in source.packages}]
    python = project / Path(source.python).expanduser()
    try:
        run = subprocess.run(
            [str(python), "-I", "-c", _ASK, *source.packages], capture_output=True, text=True, timeout=60, check=True
        )
        return json.loads(run.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise SourceError(
            f"curation.sources: {python} can't be asked for its packages ({reason}); set `python` to an interpreter"
        ) from None
