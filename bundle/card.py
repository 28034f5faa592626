"""What the model cards of an adapter and of a bundle share: text of others that stays text, and a licence's tag.

Knows nothing about what else is on a card.
"""

from __future__ import annotations

import re
import string

_PUNCTUATION = re.compile(f"([{re.escape(string.punctuation)}])")
_LONGEST = 500
UNKNOWN = "unknown"


def escape(text: str) -> str:
    """A text as one line of Markdown that shows it and does nothing else: no markup, no links, no HTML."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return _PUNCTUATION.sub(r"\\\1", line[:_LONGEST])


def licence_tag(licence: str) -> str | None:
    """The licence as the hub's metadata take it: one of its identifiers, `other`, or nothing where it is unknown."""
    tag = licence.lower()
    if tag in ("", UNKNOWN):
        return None
    return tag if re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", tag) else "other"
