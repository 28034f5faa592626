"""`boffin service` on the command line. Each command imports what it needs inside itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from boffin.options import HERE, Assignments, Folder

services = typer.Typer(
    help="Let the expert start with your session: a user unit of systemd, or an agent of launchd.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Bundle = Annotated[Path | None, typer.Option("--bundle", help="A bundle, instead of the project's.", metavar="DIR")]


@services.command()
def install(
    folder: Folder = HERE,
    assignments: Assignments = None,
    bundle: Bundle = None,
    only_show: Annotated[bool, typer.Option("--print", help="Print the file; write and start nothing.")] = False,
) -> None:
    """Write the service's file and start it; settings that are given are kept in it."""
    from boffin.service import describe
    from boffin.service import install as install_service

    install_service(describe(folder, assignments or [], bundle), only_show=only_show)


@services.command()
def remove(folder: Folder = HERE, assignments: Assignments = None, bundle: Bundle = None) -> None:
    """Stop the service and take its file away."""
    from boffin.service import describe
    from boffin.service import remove as remove_service

    remove_service(describe(folder, assignments or [], bundle))
