"""Files to begin a suite with: a commented example, and drafts made of held-out records.

A held-out record was never trained on, so it may be asked; but its words are a template's, and what an answer must
contain is a guess: drafts are to be edited, and say so. Knows nothing about how a suite is checked.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from bundle.atomic import write_text
from bundle.errors import SuiteError
from bundle.records import Record
from evaluation.escape import visible
from evaluation.measures.blocks import python_blocks
from evaluation.suite.fields import MAX_TEXT
from evaluation.suite.markdown import REFERENCE
from evaluation.suite.place import make_folder

EXAMPLE = "stdlib-broken-json.md"
_CATEGORIES = {"error": "error-handling", "raises": "error-handling", "practice": "best-practices"}
"""The category that a record's kind suggests; basic usage where it suggests none."""
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


def write_example(folder: Path) -> Path:
    """Write the example question.

    Raises:
        SuiteError: it is there already, or a file stands where the folder is to be.
    """
    return _write(folder / EXAMPLE, files("evaluation.suite").joinpath("example.md").read_text(encoding="utf-8"))


def write_drafts(folder: Path, records: Sequence[Record], count: int, seed: int = 0) -> list[Path]:
    """Write a draft for each of `count` records, drawn by the seed, of as many libraries and symbols as there are.

    Files that are there already are left as they are, and their records count as drawn.

    Raises:
        SuiteError: no record has what a question needs, a symbol and code; or a file stands where the folder is to be.
    """
    fit = [record for record in records if record.provenance.symbol and python_blocks(record.output)]
    fit = [record for record in fit if max(len(record.question), len(record.output)) <= MAX_TEXT]
    if not fit:
        raise SuiteError(
            "no held-out record has a symbol and code; curate more sources, or write the questions by hand"
        )
    random.Random(seed).shuffle(fit)
    seen: dict[str, int] = {}
    turns = []
    for record in fit:
        library, symbol = record.provenance.package, record.provenance.symbol
        turn = seen[symbol] = seen.get(symbol, -1) + 1
        place = seen[library] = seen.get(library, -1) + 1
        turns.append((turn, place))
    order = sorted(range(len(fit)), key=lambda number: turns[number])
    written = []
    for number in order[:count]:
        path = folder / f"{_name(fit[number])}.md"
        if not path.exists():
            written.append(_write(path, draft(fit[number])))
    return written


def draft(record: Record) -> str:
    """The text of a draft's file."""
    provenance = record.provenance
    library = _slug(provenance.package)
    return "\n".join(
        [
            "---",
            f"# Proposed from a held-out record about {_plain(provenance.symbol)} ({_plain(provenance.licence)}).",
            "# Put the question in a developer's words, say what it must contain, add a check; then delete `draft`.",
            "draft: true",
            f"category: {_CATEGORIES.get(provenance.kind, 'basic-usage')}",
            f"library: {library}",
            "must:",
            f"  - symbol: {json.dumps(_plain(provenance.symbol))}",
            "---",
            _body(record.question),
            "",
            REFERENCE,
            "",
            _body(record.output),
            "",
        ]
    )


def _name(record: Record) -> str:
    """A name that the same record always gets."""
    library = _slug(record.provenance.package)
    last = _slug(record.provenance.symbol.rpartition(".")[2])
    return "-".join(filter(None, (library, last[:40], record.digest[:8])))


def _slug(text: str) -> str:
    """The text in lower case, with a hyphen for all else: of a distribution, the name that it is compared by."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "library"


def _plain(text: str) -> str:
    return " ".join(visible(text).split())[:200]


def _body(text: str) -> str:
    """A record's text without what a suite's file would take for its own: headings, and a block without an end."""
    lines, fence = [], ""
    for original in visible(text).strip("\n").split("\n"):
        line = original
        match = _FENCE.match(line)
        if match and not fence:
            fence = match[1]
        elif fence and line.strip().startswith(fence) and not line.strip().strip(fence[0]):
            fence = ""
        elif not fence and line.startswith("##"):
            line = f"**{line.strip('# ')}**"
        lines.append(line)
    return "\n".join([*lines, fence] if fence else lines)


def _write(path: Path, text: str) -> Path:
    if path.exists():
        raise SuiteError(f"{path}: is there already; name another folder, or move the file away")
    make_folder(path.parent)
    write_text(path, text)
    return path
