"""What the sources' content depends on: interpreters, versions of libraries, bytes of files.

Cheap, so that `boffin status` can ask each time; reads no documentation. What a site answers can't be told without
asking it: `boffin curate --force` does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path

from bundle.digests import digest_file, digest_files, digest_value
from bundle.errors import SourceError
from curation.settings import CurationSettings

_ASK = (
    "import json, sys; from importlib.metadata import packages_distributions, version;"
    "found = packages_distributions();"
    "print(json.dumps([sys.version, {p: [version(d) for d in found.get(p, [])] for p in sys.argv[1:]}]))"
)


def fingerprint(settings: CurationSettings, project: Path) -> list[object]:
    """One JSON value a source; it differs when the source would read something else.

    Args:
        settings: curation's settings, whose relative paths belong to the project's folder.
        project: the project's folder.

    Raises:
        SourceError: a source's interpreter can't be run.
    """
    values: list[object] = []
    for source in settings.sources:
        python = str(project / Path(source.python).expanduser()) if source.python else ""
        path = getattr(source, "path", "")
        values.append([versions(source.packages, python), content(path, project) if path else ""])
    return values


def asks_network(settings: CurationSettings) -> bool:
    """Whether a source lies on a site, so that only curating anew tells whether it has changed."""
    return any(source.kind == "readthedocs" or is_address(getattr(source, "path", "")) for source in settings.sources)


def is_address(path: str) -> bool:
    """Whether a source's path is an http(s) address."""
    return path.startswith(("http://", "https://"))


def content(path: str, project: Path) -> str:
    """Digest of a file's or a folder's bytes; empty for an address and for what isn't there.

    Links out of the folder, which no collector follows, aren't followed here either.
    """
    where = project / Path(path).expanduser()
    if is_address(path) or not where.exists():
        return ""
    if where.is_file():
        return digest_file(where)
    inside = os.path.realpath(where)
    links = [one for one in where.rglob("*") if one.is_symlink()]
    outside = [one for one in links if not Path(os.path.realpath(one)).is_relative_to(inside)]
    return digest_value(digest_files(where, [one.relative_to(where).as_posix() for one in outside]))


def versions(packages: Sequence[str], python: str) -> dict[str, object]:
    """Import name → versions of its distributions, and `python` → the interpreter's version.

    Raises:
        SourceError: the interpreter can't be run.
    """
    if not python:
        distributions = _own_distributions()
        found = {name: [version(one) for one in distributions.get(name, [])] for name in packages}
        return {"python": sys.version, **found}
    try:
        run = subprocess.run(
            [python, "-I", "-c", _ASK, *packages], capture_output=True, text=True, timeout=60, check=True
        )
        interpreter, found = json.loads(run.stdout)
        return {"python": interpreter, **found}
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise SourceError(
            f"curation.sources: {python} can't be asked for its packages ({reason}); set `python` to an interpreter"
        ) from None


@cache
def _own_distributions() -> dict[str, list[str]]:
    return {name: sorted(set(found)) for name, found in packages_distributions().items()}
