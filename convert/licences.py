"""Whose work is in a bundle, under which licence: the base model's and each documented library's.

Knows nothing about what the licences mean.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from huggingface_hub import ModelCard

from bundle.records import Record

UNKNOWN = "unknown"
_LONGEST = 200


def base_licence(base: Path) -> str:
    """The licence that a base folder names in base.json (an unpacked GGUF file) or in its model card, or `UNKNOWN`."""
    try:
        named = json.loads((base / "base.json").read_text(encoding="utf-8"))["licence"]
    except (OSError, ValueError, KeyError, TypeError):
        named = _card_licence(base / "README.md")
    return _clean(named)


def library_licences(records: Iterable[Record]) -> dict[str, str]:
    """Library → licence, over the records' provenance; several licences of one library are joined."""
    found: dict[str, dict[str, None]] = {}
    for record in records:
        found.setdefault(record.provenance.package, {})[_clean(record.provenance.licence)] = None
    return {package: "; ".join(licences) for package, licences in sorted(found.items())}


def _card_licence(card: Path) -> object:
    try:
        return ModelCard(card.read_text(encoding="utf-8"), ignore_metadata_errors=True).data.get("license")
    except Exception:  # a card is free text with YAML in it, and the licence is no reason to fail
        return None


def _clean(named: object) -> str:
    text = named if isinstance(named, str) else ""
    return "".join(character for character in text if character.isprintable()).strip()[:_LONGEST] or UNKNOWN
