"""Fetches the HTML documentation of the running Python's version into a folder.

    python scripts/python_docs.py examples/corpus/docs/python

Debian's and Ubuntu's package of it is taken where apt has one (a mirror within the house does), else the archive that
python.org offers. Does nothing when the folder is there.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

SHORT = f"{sys.version_info.major}.{sys.version_info.minor}"
ARCHIVE = f"https://docs.python.org/{SHORT}/archives/python-{SHORT}-docs-html.tar.bz2"


def from_debian(folder: Path) -> Path | None:
    """The HTML folder of the distribution's package, unpacked below `folder`; None where there is none."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        return None
    package = f"python{SHORT}-doc"
    if subprocess.run(["apt-get", "download", package], cwd=folder, capture_output=True, check=False).returncode:
        return None
    archive = next(folder.glob("*.deb"))
    subprocess.run(["dpkg-deb", "-x", archive, folder], check=True)
    return next(folder.glob("usr/share/doc/*/html"), None)


def from_python_org(folder: Path) -> Path:
    """The HTML folder of python.org's archive, unpacked below `folder`."""
    archive = folder / "docs.tar.bz2"
    try:
        with urllib.request.urlopen(ARCHIVE, timeout=60) as answer, archive.open("wb") as handle:
            shutil.copyfileobj(answer, handle)
    except (urllib.error.URLError, OSError) as error:
        sys.exit(f"{ARCHIVE}: can't be fetched ({error}); unpack Python's HTML documentation there yourself")
    with tarfile.open(archive) as tar:
        tar.extraction_filter = getattr(tarfile, "data_filter", lambda member, path: member)
        tar.extractall(folder)
    return next(folder.glob("python-*-docs-html"))


def main() -> None:
    """Fetch it, unless it is there."""
    target = Path(sys.argv[1])
    if (target / "objects.inv").is_file():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    print(f"Fetching the documentation of Python {SHORT}.", flush=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        found = from_debian(folder) or from_python_org(folder)
        # Debian's pages link to files outside; what isn't there isn't documentation.
        shutil.copytree(found, folder / "whole", ignore_dangling_symlinks=True)
        (folder / "whole").rename(target)


if __name__ == "__main__":
    main()
