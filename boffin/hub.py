"""A model of the hub as a folder on this machine: safetensors, configuration and tokenizer; never pickles or code.

The token (HF_TOKEN or `hf auth login`), the cache, HF_HUB_OFFLINE and going on where a connection broke are
huggingface-hub's own. Knows nothing about what the files hold.
"""

from __future__ import annotations

from pathlib import Path

from boffin.failure import one_line
from bundle.errors import BaseModelError

FILES = ["*.safetensors", "*.json", "*.model", "*.txt", "*.jinja", "README.md", "LICENSE*"]
NOT_FILES = ["*/*", "consolidated*"]
"""Other formats of the same weights, in folders or, at Mistral's, beside them."""


def fetch(name: str, revision: str) -> Path:
    """Fetch what the cache lacks of a hub model; the folder is called by the commit. An empty revision is the newest.

    Raises:
        BaseModelError: it can't be had, or is nothing that can be trained; one line says why and what to do.
    """
    from huggingface_hub import snapshot_download

    try:
        folder = Path(
            snapshot_download(name, revision=revision or None, allow_patterns=FILES, ignore_patterns=NOT_FILES)
        )
    except Exception as error:  # a connection that breaks raises whatever the hub client's own HTTP library has for it
        raise BaseModelError(f"project.base: {_refused(name, revision, error) or _failed(name, error)}") from None
    if not (folder / "config.json").is_file():
        raise BaseModelError(f"project.base: {name} has no config.json, so transformers can't load it; choose another")
    if not list(folder.glob("*.safetensors")):
        raise BaseModelError(
            f"project.base: {name} has no .safetensors file, and pickled weights are never loaded; "
            "choose another revision or another model"
        )
    return folder


def _refused(name: str, revision: str, error: Exception) -> str:
    """What the hub said no to, and what to do; empty where it wasn't the hub that refused."""
    from huggingface_hub import constants, errors, get_token

    page = f"{constants.ENDPOINT}/{name}"
    if isinstance(error, errors.GatedRepoError):
        if get_token() is None:
            return f"{name} is gated; ask for access on {page}, then run `hf auth login` or set HF_TOKEN"
        return f"{name} is gated and your token has no access yet; ask for it on {page}, and wait until it is granted"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{name} has no revision {revision!r}; {page}/commits/main lists them"
    if isinstance(error, errors.RepositoryNotFoundError):
        remedy = "or run `hf auth login`" if get_token() is None else "or renew your token with `hf auth login`"
        return f"the hub has no model {name}, or it is private; check the name, {remedy}"
    return ""


def _failed(name: str, error: Exception) -> str:
    """What went wrong on the way, and what to do."""
    from huggingface_hub import constants

    if line := one_line(error):
        return f"{name} can't be fetched into {constants.HF_HUB_CACHE}: {line}"
    if constants.HF_HUB_OFFLINE:
        return (
            f"{name} can't be fetched, since HF_HUB_OFFLINE is set, and it isn't whole in {constants.HF_HUB_CACHE}; "
            "unset it and check the network, or name a local folder"
        )
    reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return (
        f"{name} can't be fetched ({reason}); check the network and run the command again, which fetches only the "
        "files that are missing, or name a local folder"
    )
