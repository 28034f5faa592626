"""What an answer rests on, and what became of its code, as replies tell it. Knows nothing about how it was found."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from appliance.checking import Checked
from bundle.grounding import Grounding


def sources_of(grounding: Grounding) -> list[dict[str, Any]]:
    """What the model read, best first: each passage's number, where it is from, and its text as it was read."""
    names = ("title", "symbol", "kind", "package", "version", "licence", "attribution", "url", "verified")
    return [
        {
            "number": number,
            **{name: getattr(source.passage, name) for name in names},
            "text": source.text,
        }
        for number, source in enumerate(grounding.sources, start=1)
    ]


def check_of(checked: Checked) -> dict[str, Any]:
    """A code block's place in the answer's text, and what in it doesn't exist."""
    return asdict(checked)
