"""A draft: a record whose code has not been run yet, and the one form that every answer has.

An answer is prose, a ```python block with its recorded output as comments, and key points. Knows nothing about where
the words come from, nor about how code is run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bundle.records import Provenance, Record

Kind = Literal[
    "usage",  # how do I …; show me …
    "signature",  # which parameters …, explained
    "returns",  # what does … return
    "parameter",  # what does parameter p of … do
    "raises",  # which exception when …
    "difference",  # what is the difference between … and …
    "error",  # why does this fail, from a mutated call and its real traceback
    "faster",  # make this faster
    "practice",  # what is the right way
    "property",  # what does this attribute give
    "section",  # a narrative section's question
    "question",  # asked by a person
    "record",  # the user's own
]


@dataclass(frozen=True)
class Draft:
    """A record before its code has been run."""

    instruction: str
    """The question, in one line or a short paragraph."""
    lead: str
    """The prose before the code, as Markdown."""
    code: str
    """The answer's code, complete (imports, set-up), without recorded output."""
    points: tuple[str, ...]
    """Key points below the code, each a sentence without the dash."""
    provenance: Provenance
    """Where it comes from; its kind is one of `Kind`."""
    failing: str = ""
    """For `error`: the complete code that the question is about. It is run too, has to fail with `expects`, and stands
    in the record's input together with the last lines of its traceback."""
    expects: str = ""
    """The exception that `failing` has to end with, by its last name, e.g. `TypeError`."""


def to_record(draft: Draft, code: str, traceback: str = "") -> Record:
    """The record of a draft.

    Args:
        draft: the draft.
        code: its code with the recorded output as comments.
        traceback: for a draft with failing code: what Python printed, as it is to be shown.
    """
    parts = [draft.lead, f"```python\n{code.strip()}\n```"]
    if draft.points:
        parts.append("\n".join(f"- {point}" for point in draft.points))
    shown = f"```python\n{draft.failing.strip()}\n```\n\n```text\n{traceback.strip()}\n```" if draft.failing else ""
    return Record(instruction=draft.instruction, input=shown, output="\n\n".join(parts), provenance=draft.provenance)
