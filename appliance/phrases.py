"""Questions that are asked again and again, as commands: `/explain requests.Session` is a whole question.

Knows nothing about where they are typed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

GAP = "{}"
"""Where what follows the command goes."""
PHRASES: dict[str, str] = {
    "explain": "Explain what this does, step by step, and when to use it:\n\n{}",
    "example": "Show a short, complete example that runs as it stands, with what it prints, of:\n\n{}",
    "debug": "Find the cause of this failure, explain it in a sentence, and show the corrected code:\n\n{}",
    "best-practice": "What is the recommended way to do this today, and what should be avoided? Show code.\n\n{}",
}
"""Those that ship."""
_COMMAND = re.compile(r"/([a-z][a-z0-9-]*)(?:\s+|$)(.*)", re.DOTALL)


def spelt_out(text: str, phrases: Mapping[str, str]) -> str:
    """The question that a command stands for; any other text, a path (`/usr/bin`) too, stays as it is."""
    match = _COMMAND.fullmatch(text.strip())
    if match is None or match[1] not in phrases:
        return text
    phrase = phrases[match[1]]
    spelt = phrase.replace(GAP, match[2]) if GAP in phrase else f"{phrase}\n\n{match[2]}"
    return spelt.strip()
