"""`boffin review` on the command line. Imports what it needs inside itself."""

from __future__ import annotations

from typing import Annotated

import typer

from boffin.options import HERE, Assignments, Folder


def review(
    folder: Folder = HERE,
    assignments: Assignments = None,
    reviewer: Annotated[
        str, typer.Option("--reviewer", help="Whose verdicts these are; else your user name.", metavar="NAME")
    ] = "",
) -> None:
    """Compare the answers of base and tuned model side by side, blind, by keys alone."""
    from boffin.opinions import review_answers

    review_answers(folder, assignments or [], reviewer)
