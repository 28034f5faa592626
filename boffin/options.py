"""Options that several commands share. Imports nothing but typer, as the command line itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Folder = Annotated[Path, typer.Option("-C", "--directory", help="The project's folder.", metavar="DIR")]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", help="A setting, e.g. --set trainer.time_budget=60.", metavar="KEY=VALUE")
]
Signer = Annotated[
    Path | None,
    typer.Option("--signer", help="Whose signature it has to have: a .pub file of OpenSSH.", metavar="PUBKEY"),
]
Bundle = Annotated[
    Path | None, typer.Option("--bundle", help="A bundle to serve, instead of the project's.", metavar="DIR")
]
Url = Annotated[str, typer.Option("--url", help="A server that runs already; its key: BOFFIN_API_KEY.", metavar="URL")]

HERE = Path()
