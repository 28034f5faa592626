"""`boffin bundle`: the commands that take a bundle elsewhere. Each imports what it needs inside itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from boffin.options import HERE, Assignments, Folder, Signer

bundles = typer.Typer(
    help="Take a bundle elsewhere: one archive for a machine without a network, a signature, the model hub.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Bundle = Annotated[Path | None, typer.Option("--bundle", help="A bundle, instead of the project's.", metavar="DIR")]


@bundles.command()
def pack(
    out: Annotated[
        str, typer.Argument(help="The archive, a folder for it, or - for standard output.", metavar="[OUT]")
    ] = "",
    folder: Folder = HERE,
    assignments: Assignments = None,
    bundle: Bundle = None,
    key: Annotated[
        Path | None, typer.Option("--sign", help="Sign it with this private key of OpenSSH.", metavar="KEY")
    ] = None,
    runtime: Annotated[
        bool, typer.Option("--with-runtime", help="With all that serves it, for a machine without a network.")
    ] = False,
) -> None:
    """Write the bundle as one archive (zstd tar), with its model card."""
    from boffin.bundles import find_bundle, pack_bundle

    named = find_bundle(folder, assignments or [], bundle)
    if runtime:
        from boffin.airgap import pack_with_runtime

        pack_with_runtime(named, out, key)
    else:
        pack_bundle(named, out, key)


@bundles.command()
def unpack(
    archive: Annotated[str, typer.Argument(help="An archive, or - for standard input.")],
    target: Annotated[Path | None, typer.Argument(help="The new folder; else called as the archive.")] = None,
    signer: Signer = None,
) -> None:
    """Unpack an archive into a new folder, checking every byte."""
    from boffin.bundles import unpack_bundle

    unpack_bundle(archive, target, signer)


@bundles.command()
def sign(
    key: Annotated[Path, typer.Option("--key", help="A private key of OpenSSH.", metavar="KEY")],
    folder: Folder = HERE,
    assignments: Assignments = None,
    bundle: Bundle = None,
) -> None:
    """Check the bundle and sign its manifest, which has the digest of every file."""
    from boffin.bundles import find_bundle, sign_bundle

    sign_bundle(find_bundle(folder, assignments or [], bundle), key)


@bundles.command()
def push(
    repository: Annotated[
        str, typer.Argument(help="NAME or ORG/NAME on the model hub; else the bundle's name.", metavar="[REPO]")
    ] = "",
    folder: Folder = HERE,
    assignments: Assignments = None,
    bundle: Bundle = None,
    public: Annotated[bool, typer.Option("--public", help="Make a new repository public.")] = False,
) -> None:
    """Upload the bundle with its model card to the model hub, privately."""
    from boffin.bundles import find_bundle, push_bundle

    push_bundle(find_bundle(folder, assignments or [], bundle), repository, private=not public)
