"""`boffin keys`: who may ask the server. Each command imports what it needs inside itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from boffin.options import HERE, Assignments, Folder

keys = typer.Typer(
    help="API keys for a server that other machines can reach; a running one reads them again on SIGHUP.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Argument(help="Whose key it is.")]
File = Annotated[
    Path | None,
    typer.Option("--file", help="The file, instead of the project's appliance.access.keys.", metavar="FILE"),
]


@keys.command()
def add(
    name: Name,
    rate: Annotated[int, typer.Option("--rate", help="Requests a minute; 0 for any number.", min=0)] = 0,
    origins: Annotated[
        list[str] | None,
        typer.Option("--origin", help="Make it public: for chats from web pages of this origin.", metavar="ORIGIN"),
    ] = None,
    folder: Folder = HERE,
    assignments: Assignments = None,
    file: File = None,
) -> None:
    """Make a key and print it, this once; only its digest is stored."""
    from appliance.keys import add_key

    typer.echo(add_key(_file(folder, assignments, file), name, rate, origins or []))


@keys.command("list")
def list_keys(folder: Folder = HERE, assignments: Assignments = None, file: File = None) -> None:
    """Show whose keys there are."""
    from appliance.keys import load_keys

    for key in load_keys(_file(folder, assignments, file)):
        rate = f"{key.requests_a_minute} a minute" if key.requests_a_minute else "any number"
        where = f"  for pages of {', '.join(key.origins)}" if key.origins else ""
        typer.echo(f"{key.name:20}  {rate:16}  since {key.created}{where}")


@keys.command()
def revoke(name: Name, folder: Folder = HERE, assignments: Assignments = None, file: File = None) -> None:
    """Take a key away."""
    from appliance.keys import revoke_key

    revoke_key(_file(folder, assignments, file), name)


def _file(folder: Path, assignments: list[str] | None, file: Path | None) -> Path:
    """The file of keys that is meant."""
    from boffin.served import serving_settings
    from bundle.errors import SettingsError

    path = file or serving_settings(folder, assignments or []).access.keys
    if path is None:
        raise SettingsError('no file of keys is named; set appliance.access.keys = "keys.json", or use --file')
    return path
