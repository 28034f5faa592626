"""The Python blocks of a Markdown answer. Knows nothing about what is in them."""

from __future__ import annotations

import re
import textwrap

_FENCE = re.compile(r"[ \t]*+(?P<fence>`{3,}+|~{3,}+)(?P<info>[^`]*)")
_PYTHON = ("python", "python3", "py")


def python_blocks(answer: str) -> list[str]:
    """The text of each fenced block that is marked as Python and isn't blank, without common indentation.

    Fences are read as CommonMark does, but may be indented as in list items. A block that is never closed runs to
    the answer's end: an answer that was cut off is judged by what it says.
    """
    blocks: list[str] = []
    fence, python, lines = "", False, list[str]()
    for line in answer.split("\n"):
        match = _FENCE.fullmatch(line)
        if not fence and match:
            fence, lines = match["fence"], []
            words = re.split(r"[\s,{]", match["info"].strip().lower())
            python = words[0] in _PYTHON
        elif fence and match and match["fence"].startswith(fence) and not match["info"].strip():
            blocks += ["\n".join(lines)] if python else []
            fence = ""
        elif fence:
            lines.append(line)
    if fence and python:
        blocks.append("\n".join(lines))
    return [textwrap.dedent(block) for block in blocks if block.strip()]
