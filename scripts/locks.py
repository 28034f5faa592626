"""Writes deploy/locks: what each image installs from the package index, with every file's digest. Used by `make locks`.

The versions are those of constraints.txt, for any platform and every Python that Boffin runs on, as uv resolves them.
Two things stand in no lock, because a file's digest can't be known beforehand: llama.cpp, which is compiled for the
image, and torch with what it brings for a card, of which there is a build for each kind of machine.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ROOT / "deploy" / "locks"
# The extras that each image has, as the Dockerfile has them. `sbom` is the tool that lists an image's packages.
EXTRAS = {
    "appliance": ("appliance",),
    "convert": ("convert",),
    "trainer": ("trainer", "curation", "evaluation"),
    "sbom": (),
}
SBOM = "cyclonedx-bom"
UNLOCKED = re.compile(r"(llama-cpp-python|torch|triton|cuda-|nvidia-)")
HEAD = "# Written by `make locks`; don't edit. `pip install --require-hashes --no-deps -r` takes it.\n"


def lock(uv: Path, name: str) -> str:
    """Resolve what an image installs.

    Args:
        uv: uv's program.
        name: The target of the Dockerfile, a key of `EXTRAS`.

    Returns:
        Requirements in pip's format, with digests.

    Raises:
        subprocess.CalledProcessError: If uv finds no resolution; it has said why.
    """
    command = [str(uv), "pip", "compile", "--quiet", "--universal", "--python-version=3.11", "--generate-hashes"]
    command += [
        "--no-header",
        "--no-annotate",
        "--constraints=constraints.txt",
        "pyproject.toml" if EXTRAS[name] else "-",
    ]
    command += [f"--extra={extra}" for extra in EXTRAS[name]]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True, input=SBOM)
    packages = re.split(r"\n(?=\S)", done.stdout.strip())
    return HEAD + "\n".join(package for package in packages if not UNLOCKED.match(package)) + "\n"


if __name__ == "__main__":
    LOCKS.mkdir(parents=True, exist_ok=True)
    for each in EXTRAS:
        target = LOCKS / f"{each}.txt"
        written = target.with_suffix(".part")
        written.write_text(lock(Path(sys.executable).with_name("uv"), each))
        written.replace(target)
        print(target.relative_to(ROOT))
