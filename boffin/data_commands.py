"""`boffin data` on the command line. Imports what it needs inside each command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from boffin.options import HERE, Folder

data = typer.Typer(
    help="Look at the dataset: its records, what was dropped and why, what differs between versions.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Dataset = Annotated[
    Path | None, typer.Option("--dataset", help="A dataset's folder, instead of the project's.", metavar="DIR")
]
Kind = Annotated[str, typer.Option("--kind", help="Only this kind of question, e.g. usage.")]
Library = Annotated[str, typer.Option("--library", help="Only records about this library.")]
Symbol = Annotated[str, typer.Option("--symbol", help="Only this symbol and what is below it, e.g. numpy.linalg.")]
Side = Annotated[str, typer.Option("--side", help="Only train, eval or rejected.")]
Limit = Annotated[int, typer.Option("--limit", help="Show at most so many; 0 shows all.", min=0)]


@data.command("show")
def data_show(
    which: Annotated[
        list[str] | None, typer.Argument(help="How many, or the names of records; three by default.", metavar="[N|ID]…")
    ] = None,
    folder: Folder = HERE,
    dataset: Dataset = None,
    kind: Kind = "",
    library: Library = "",
    symbol: Symbol = "",
    side: Side = "",
    as_json: Annotated[bool, typer.Option("--json", help="For scripts: one JSON object a line.")] = False,
) -> None:
    """Show records in full."""
    from boffin.data import find_dataset, show, wanted

    asked = wanted((), symbol, kind, library, side)
    show(find_dataset(folder, dataset), which or [], asked, as_json)


@data.command("search")
def data_search(
    words: Annotated[list[str] | None, typer.Argument(help="Words that all have to be in it.")] = None,
    folder: Folder = HERE,
    dataset: Dataset = None,
    kind: Kind = "",
    library: Library = "",
    symbol: Symbol = "",
    side: Side = "",
    limit: Limit = 20,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts: one JSON object a line.")] = False,
) -> None:
    """Find records, kept or dropped, and say why those were dropped."""
    from boffin.data import find_dataset, search, wanted

    asked = wanted(words or (), symbol, kind, library, side)
    search(find_dataset(folder, dataset), asked, limit, as_json)


@data.command("diff")
def data_diff(
    old: Annotated[str, typer.Argument(help="A dataset's folder or a build's name; else the build before.")] = "",
    new: Annotated[str, typer.Argument(help="The same; else the project's dataset.")] = "",
    folder: Folder = HERE,
    dataset: Dataset = None,
    limit: Limit = 20,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts: everything as one JSON object.")] = False,
) -> None:
    """Show what one version of the dataset added, changed and removed against another."""
    from boffin.data import diff

    diff(folder, old, new or str(dataset or ""), limit, as_json)
