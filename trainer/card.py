"""What of an adapter goes to the model hub: the PEFT files and a model card, nothing else of the run.

Knows nothing about projects or workspaces, and never touches the network.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelCardData

from bundle.atomic import write_json, write_text
from bundle.card import escape, licence_tag

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


def prepare(adapter: Path, folder: Path, repository: str, origin: Origin) -> dict[str, Path]:
    """Put into an empty folder what can't be uploaded as it is; returns each file's name there and where it lies."""
    config = json.loads((adapter / CONFIG).read_text(encoding="utf-8"))
    # PEFT wrote where the base lay on this machine, which is no one else's business and leads nowhere.
    config |= {"base_model_name_or_path": origin.hub, "revision": origin.revision if origin.hub else None}
    write_json(folder / CONFIG, config)
    recipe, summary, template = (
        json.loads((adapter / f"{name}.json").read_text(encoding="utf-8")) for name in ("recipe", "summary", "template")
    )
    write_text(folder / CARD, card(recipe, summary, template.get("system_prompt", ""), repository, origin))
    return {CARD: folder / CARD, CONFIG: folder / CONFIG, WEIGHTS: adapter / WEIGHTS}


def card(recipe: dict[str, Any], summary: dict[str, Any], system_prompt: str, repository: str, origin: Origin) -> str:
    """The model card. Whatever others may have written (names, licences) is text in it, never Markdown or HTML."""
    return str(
        ModelCard.from_template(
            ModelCardData(
                base_model=origin.hub or None,
                library_name="peft",
                license=licence_tag(origin.licence),
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


def _shown(value: Any) -> str:
    if value is None:
        return "not measured"
    return f"{value:,}" if isinstance(value, int | float) else escape(str(value))
