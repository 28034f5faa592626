"""`boffin suite`: the commands about question suites. Each imports what it needs inside itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from boffin.options import HERE, Folder

suites = typer.Typer(
    help="Questions to compare models on: write a suite for your own libraries, prove that it is sound.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@suites.command()
def new(
    suite: Annotated[Path, typer.Argument(help="Where the questions are to lie.", metavar="DIR")],
    folder: Folder = HERE,
    from_dataset: Annotated[
        bool, typer.Option("--from-dataset", help="Propose questions from the project's held-out records, as drafts.")
    ] = False,
    dataset: Annotated[
        Path | None, typer.Option("--dataset", help="A dataset's folder, instead of the project's.", metavar="DIR")
    ] = None,
    count: Annotated[int, typer.Option("--count", help="How many drafts.", min=1, max=1000)] = 20,
) -> None:
    """Write a commented example question, or drafts to edit."""
    if dataset and not from_dataset:
        raise typer.BadParameter("--dataset belongs to --from-dataset")
    from boffin.suites import new_suite, propose

    if from_dataset:
        propose(suite, folder, dataset, count)
    else:
        new_suite(suite)


@suites.command()
def check(
    suite: Annotated[
        str,
        typer.Argument(help="A suite's folder or file; else the suite that comes with Boffin.", metavar="[SUITE]"),
    ] = "python",
    python: Annotated[
        str, typer.Option("--python", help="The interpreter that has the libraries; else this one.", metavar="PATH")
    ] = "",
    seconds: Annotated[
        float, typer.Option("--seconds", help="Time that one check may take.", min=0.1, max=86_400)
    ] = 20.0,
    workers: Annotated[int, typer.Option("--workers", help="Checks at once; 0 is one a processor.", min=0)] = 0,
    allow_mere_limits: Annotated[
        bool,
        typer.Option(
            "--allow-mere-limits", help="Run code even where nothing contains it here; for a suite you trust."
        ),
    ] = False,
) -> None:
    """Validate every question, and run its reference answer through its own checks."""
    from boffin.suites import check_suite

    raise typer.Exit(check_suite(suite, python, seconds, workers, allow_mere_limits=allow_mere_limits))


@suites.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Where the task folder is to lie.", metavar="DIR")],
    suite: Annotated[
        str, typer.Option("--suite", help="A suite's folder or file; else the one that comes with Boffin.")
    ] = "python",
) -> None:
    """Write a suite as a task folder for lm-evaluation-harness."""
    from boffin.suites import export as write

    write(suite, folder)
