"""An adapter on the model hub: the PEFT files and a model card, nothing else of the run.

Creating the repository, the upload and going on after a broken one are huggingface-hub's own. Knows nothing about
projects or workspaces.
"""

from __future__ import annotations

import json
import re
import shutil
import string
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, ModelCard, ModelCardData, get_token
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, RepositoryNotFoundError

from bundle.atomic import write_json, write_text
from bundle.errors import HubError

CONFIG, WEIGHTS, CARD = "adapter_config.json", "adapter_model.safetensors", "README.md"
TEMPLATE = Path(__file__).parent / "card.jinja"

_MEASURED = {
    "records_available": "records to train on",
    "records_seen": "records seen",
    "records_too_long": "records left out, too long",
    "steps": "optimiser steps",
    "tokens_seen": "tokens seen",
    "loss_first": "training loss at the first step",
    "loss_last": "training loss at the last step",
    "held_out_loss_before": "held-out loss before",
    "held_out_loss_after": "held-out loss after",
    "pairs_available": "pairs of answers to learn preferences from",
    "reward_margin_before": "held-out reward margin before",
    "reward_margin_after": "held-out reward margin after",
    "trained_parameters": "trained parameters",
    "trained_share": "their share",
    "device": "device",
    "dtype": "number format",
    "seconds": "seconds",
    "peak_memory_mb": "peak memory, MB",
}
"""What of summary.json the card tells, by which title."""
_PUNCTUATION = re.compile(f"([{re.escape(string.punctuation)}])")
_LONGEST = 500


@dataclass(frozen=True)
class Origin:
    """What an adapter was made from."""

    name: str
    """The expert's name."""
    base: str
    """The base model, as the project names it."""
    hub: str
    """The base model's name on the hub; empty where it isn't from there."""
    revision: str
    """The base model's hub commit."""
    licence: str
    """The base model's licence, as its card names it."""
    dataset: str
    """The dataset's SHA-256."""
    records: int
    """Records that were trained on."""
    held_out: int
    """Records that were kept apart."""
    licences: dict[str, str]
    """Each documented library and the licence of its texts."""


def push(adapter: Path, repository: str, origin: Origin, *, private: bool = True) -> str:
    """Upload the adapter in a folder to `repository` (`NAME` or `ORG/NAME`), made first where there is none.

    Returns the repository's address. What is public already is never written to unless `private` is false.

    Raises:
        HubError: no token, no right to write, no such name, no network.
    """
    if get_token() is None:
        raise HubError("--push: not logged in; run `hf auth login`, or set HF_TOKEN to a token that may write")
    api = HfApi()
    try:
        created = api.create_repo(repository, private=private, exist_ok=True)
        if private and not api.model_info(created.repo_id).private:
            raise HubError(
                f"--push: {created.repo_id} is there already and public; add --public to upload to it all the same, "
                "or name another"
            )
        with tempfile.TemporaryDirectory() as folder:
            _prepare(adapter, Path(folder), created.repo_id, origin)
            api.upload_folder(
                repo_id=created.repo_id,
                folder_path=folder,
                allow_patterns=[CARD, CONFIG, WEIGHTS],
                commit_message=f"Adapter of {origin.name}, trained by Boffin",
            )
    except HubError:
        raise
    except HFValidationError as error:
        raise HubError(f"--push: {repository!r} can't be a repository's name ({_first_line(error)})") from None
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status == 401 or isinstance(error, RepositoryNotFoundError):
            remedy = "check the name, or renew your token with `hf auth login`"
        elif status == 403:
            remedy = "take a token that may write, or a name of your own"
        else:
            remedy = "wait a little and push again"
        said = error.server_message or _first_line(error)
        raise HubError(f"--push: the hub refuses {repository} ({said}); {remedy}") from None
    except Exception as error:  # a connection that breaks raises whatever the hub client's own HTTP library has for it
        raise HubError(
            f"--push: the hub can't be reached ({_first_line(error)}); check the network and push again, "
            "which uploads only what is missing"
        ) from error
    return str(created)


def card(recipe: dict[str, Any], summary: dict[str, Any], system_prompt: str, repository: str, origin: Origin) -> str:
    """The model card. Whatever others may have written (names, licences) is text in it, never Markdown or HTML."""
    return str(
        ModelCard.from_template(
            ModelCardData(
                base_model=origin.hub or None,
                library_name="peft",
                license=_licence_tag(origin.licence),
                pipeline_tag="text-generation",
                tags=["lora", "boffin"],
            ),
            template_path=str(TEMPLATE),
            name=escape(origin.name),
            base=escape(origin.hub or origin.base),
            base_literal=json.dumps(origin.hub or "folder/of/the/base/model"),
            revision_literal=json.dumps(origin.revision) if origin.hub and origin.revision else "",
            repository_literal=json.dumps(repository),
            quantised=recipe.get("quantise_base") == "nf4",
            system_prompt=escape(system_prompt),
            dataset=escape(origin.dataset),
            records=f"{origin.records:,}",
            held_out=f"{origin.held_out:,}",
            measured=[(title, _shown(summary[key])) for key, title in _MEASURED.items() if key in summary],
            recipe=json.dumps(recipe, indent=2),
            licence=escape(origin.licence),
            licences=[(escape(package), escape(licence)) for package, licence in sorted(origin.licences.items())],
        )
    )


def escape(text: str) -> str:
    """A text as one line of Markdown that shows it and does nothing else: no markup, no links, no HTML."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return _PUNCTUATION.sub(r"\\\1", line[:_LONGEST])


def _prepare(adapter: Path, folder: Path, repository: str, origin: Origin) -> None:
    """Put into an empty folder what is to be uploaded."""
    config = json.loads((adapter / CONFIG).read_text(encoding="utf-8"))
    # PEFT wrote where the base lay on this machine, which is no one else's business and leads nowhere.
    config |= {"base_model_name_or_path": origin.hub, "revision": origin.revision if origin.hub else None}
    write_json(folder / CONFIG, config)
    shutil.copyfile(adapter / WEIGHTS, folder / WEIGHTS)
    recipe, summary, template = (
        json.loads((adapter / f"{name}.json").read_text(encoding="utf-8")) for name in ("recipe", "summary", "template")
    )
    write_text(folder / CARD, card(recipe, summary, template.get("system_prompt", ""), repository, origin))


def _shown(value: Any) -> str:
    if value is None:
        return "not measured"
    return f"{value:,}" if isinstance(value, int | float) else escape(str(value))


def _licence_tag(licence: str) -> str | None:
    """The licence as the hub's metadata take it: one of its identifiers, `other`, or nothing where it is unknown."""
    tag = licence.lower()
    if tag in ("", "unknown"):
        return None
    return tag if re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", tag) else "other"


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
