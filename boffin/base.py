"""The base model: from what the settings name to a folder or file on this machine, and a digest that stands for it.

Knows nothing about how a hub model is fetched, or about what the files hold.
"""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

from boffin.hub import fetch
from bundle.digests import digest_file, digest_files, digest_value
from bundle.errors import BaseModelError

HUB_NAME = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")


@dataclass(frozen=True)
class BaseSource:
    """A base model on this machine."""

    path: Path
    """A Hugging Face folder, or a GGUF file."""
    revision: str
    """The hub commit, where it came from a hub."""


def base_digest(name: str, revision: str, project: Path) -> str:
    """Stands for the base model: the digest of its files, or of a hub model's name and revision (nothing is fetched).

    Raises:
        BaseModelError: a local base model isn't there, or a hub model has two revisions.
    """
    if reference := hub_reference(name, revision, project):
        return digest_value(list(reference))
    path = find_base(name, revision, project).path
    return digest_file(path) if path.is_file() else digest_value(digest_files(path))


def hub_reference(name: str, revision: str, project: Path) -> tuple[str, str] | None:
    """Name and revision (empty for the newest) of a hub model, `org/name` or `org/name@revision`; None for others.

    Raises:
        BaseModelError: the revisions in `project.base` and in `project.revision` differ.
    """
    if name.startswith(".") or name.endswith(".gguf") or (project / name).exists():
        return None
    found = HUB_NAME.fullmatch(name)
    if found is None:
        return None
    own = found["revision"] or ""
    if own and revision and own != revision:
        raise BaseModelError(
            f"project.base names the revision {own}, but project.revision is {revision}; keep one of them"
        )
    return found["name"], own or revision


def find_base(name: str, revision: str, project: Path) -> BaseSource:
    """Find the base model that `project.base` names; paths are relative to the folder `project`.

    Raises:
        BaseModelError: it isn't there; the line says where it was looked for and what to do.
    """
    if name.startswith("package:"):
        return BaseSource(_in_package(name.removeprefix("package:")), "")
    local = (project / Path(name).expanduser()).resolve()
    if local.is_file() and local.suffix == ".gguf":
        return BaseSource(local, "")
    if (local / "config.json").is_file():
        return BaseSource(local, "")
    if local.exists():
        raise BaseModelError(f"project.base: {local} is neither a .gguf file nor a folder with a config.json")
    if reference := hub_reference(name, revision, project):
        folder = fetch(*reference)
        return BaseSource(folder, folder.name)  # a snapshot's folder is called by its commit
    raise BaseModelError(
        f"project.base: {name!r} is not there (looked for {local}); "
        "name a folder, a .gguf file, `org/name` of a model hub (`boffin models` lists some), or package:NAME"
    )


def _in_package(package: str) -> Path:
    module = package.replace("-", "_")
    spec = importlib.util.find_spec(module) if module.isidentifier() else None
    folder = Path(spec.origin).parent if spec and spec.origin else None
    if folder is None:
        raise BaseModelError(f"project.base: the package {package} is not installed; run `pip install {package}`")
    models = sorted(folder.rglob("*.gguf"))
    if not models:
        raise BaseModelError(f"project.base: the package {package} has no .gguf file in {folder}")
    return models[0]
