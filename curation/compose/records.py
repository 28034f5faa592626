"""Drafts from the user's own records. Knows nothing about other entries."""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.compose.subject import provenance
from curation.compose.used import best_symbol
from curation.draft import Draft
from curation.entries import RecordEntry
from symbols.table import SymbolTable

_BLOCK = re.compile(r"^```(?:python|py)\s*\n(.*?)^```\s*$", re.DOTALL | re.MULTILINE)


def record(entry: RecordEntry, table: SymbolTable) -> Iterator[Draft]:
    """The draft of a record: prose, its python block, and key points; without code where it has none, or several."""
    instruction = f"{entry.instruction}\n\n{entry.input}" if entry.input else entry.instruction
    found = list(_BLOCK.finditer(entry.output))
    if len(found) != 1 or "```" in entry.output[: found[0].start()] + entry.output[found[0].end() :]:
        yield Draft(instruction, entry.output, "", (), provenance(entry.origin, entry.symbol, "record", False))
        return
    lead = entry.output[: found[0].start()].strip()
    after = entry.output[found[0].end() :].strip()
    code = without_recorded(found[0].group(1).strip("\n"))
    points: list[str] = []
    for line in after.splitlines():
        item = re.match(r"\s*[-*+•]\s+(.*)", line)
        if item:
            points.append(item.group(1).strip())
        elif line.strip() and points and line.startswith(" "):
            points[-1] += f" {line.strip()}"
        elif line.strip():
            points.append(line.strip())
    symbol = entry.symbol or best_symbol(code, entry.origin.package, table)
    yield Draft(instruction, lead, code, tuple(points), provenance(entry.origin, symbol, "record", False))


def without_recorded(code: str) -> str:
    """Code without comment lines directly below a top-level statement that prints: they are recorded anew."""
    kept: list[str] = []
    below = False
    for line in code.splitlines():
        if below and line.startswith("#"):
            continue
        below = bool(re.match(r"\w*print\(", line)) or (below and line.startswith((" ", ")")))
        kept.append(line)
    return "\n".join(kept)
