"""The model card of a bundle: what it is, how it is used, what was measured of it, and whose work is in it.

All of it comes from the manifest and from what the caller knows beside it. Whatever others may have written (names,
licences, a system prompt) is text in it, never Markdown, HTML or YAML. Knows nothing about projects or the network.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from bundle.card import UNKNOWN, escape, licence_tag
from bundle.manifest import Manifest

_TEMPLATE = Path(__file__).parent / "card.jinja"
_HUB_NAME = re.compile(r"([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(@.*)?", re.ASCII)
_ROW = "quantisation"
"""The field that names the type in whatever was measured of each type."""


@dataclass(frozen=True)
class Background:
    """What a card tells beside the manifest; empty where it isn't known."""

    repository: str = ""
    """Where it is going to lie on the hub."""
    records: int = 0
    """Records that were trained on."""
    held_out: int = 0
    """Records that were kept apart."""
    report: str = ""
    """The evaluation's table, in Markdown that is safe."""


def card(manifest: Manifest, background: Background) -> str:
    """The card, with the hub's metadata at its head."""
    hub = _hub_name(manifest)
    licence = manifest.licences.get("base", UNKNOWN)
    default = manifest.models[0]
    metadata = {
        "base_model": hub or None,
        "base_model_relation": ("finetune" if manifest.adapter_digest else "quantized") if hub else None,
        "library_name": "gguf",
        "license": licence_tag(licence),
        "pipeline_tag": "text-generation",
        "tags": ["gguf", "llama.cpp", "boffin"],
    }
    environment = jinja2.Environment(keep_trailing_newline=True, undefined=jinja2.StrictUndefined)
    base = hub or _local_name(manifest.base_model)
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        # JSON in ASCII is YAML, whatever is in it.
        metadata=[(key, json.dumps(value)) for key, value in metadata.items() if value],
        name=escape(manifest.name),
        base=escape(base),
        tuned=bool(manifest.adapter_digest),
        models=[
            {
                "file": escape(model.file),
                "quantisation": escape(model.quantisation),
                "megabytes": f"{model.bytes / 1e6:,.1f}",
            }
            for model in manifest.models
        ],
        repository=_word(background.repository),
        folder=_word(manifest.name),
        file=_word(default.file),
        quantisation=_word(default.quantisation),
        system_prompt=escape(manifest.template.system_prompt),
        tables=list(_tables(manifest)),
        report=background.report,
        revision=escape(manifest.base_revision),
        dataset=escape(manifest.dataset_digest),
        adapter=escape(manifest.adapter_digest),
        records=f"{background.records:,} to train on, {background.held_out:,} held out" if background.records else "",
        template_digest=escape(manifest.template_digest),
        llama_cpp=escape(manifest.llama_cpp),
        licence=escape(licence),
        licences=[(escape(key), escape(value)) for key, value in sorted(manifest.licences.items()) if key != "base"],
    )


def _hub_name(manifest: Manifest) -> str:
    """The base model's name on the hub, if it came from there: only then has it a revision."""
    found = _HUB_NAME.fullmatch(manifest.base_model)
    return found[1] if found and manifest.base_revision else ""


def _local_name(base_model: str) -> str:
    """A base model that lay on this machine, without where it lay."""
    return base_model if base_model.startswith("package:") else Path(base_model).name or base_model


def _word(text: str) -> str:
    """A name in a command, as it is if no shell sees more than a word in it."""
    return re.sub(r"[^\w./-]", "_", text, flags=re.ASCII).lstrip("-")


def _tables(manifest: Manifest) -> Iterator[str]:
    """Whatever was measured of each type, as one table for each list of such, with a column for each field."""
    for rows in _measured(manifest.model_dump(mode="json", exclude={"models", "template", "files", "sizes"})):
        columns = [_ROW, *dict.fromkeys(key for row in rows for key, value in row.items() if _is_shown(key, value))]
        lines = [[escape(name.replace("_", " ")) for name in columns], ["---", *["---:"] * (len(columns) - 1)]]
        lines += [[_shown(name, row.get(name)) for name in columns] for row in rows]
        yield "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _measured(value: Any) -> Iterator[list[Mapping[str, Any]]]:
    """Each list below a value whose items all name a type."""
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _measured(inner)
    elif isinstance(value, list):
        if value and all(isinstance(row, Mapping) and _ROW in row for row in value):
            yield value
        else:
            for inner in value:
                yield from _measured(inner)


def _is_shown(key: str, value: Any) -> bool:
    return key != _ROW and isinstance(value, bool | int | float | str)


def _shown(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "bytes" and isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, int | float):
        return f"{value:,.4g}" if isinstance(value, float) else f"{value:,}"
    return escape(value) if isinstance(value, str) else "–"
