"""`boffin serve` and `boffin batch` on the command line. They import what they need inside themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from boffin.options import HERE, Assignments, Bundle, Folder, Url


def serve(
    folder: Folder = HERE,
    assignments: Assignments = None,
    bundle: Bundle = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "",
    port: Annotated[int, typer.Option("--port", help="Port to listen on; 0 takes a free one.")] = -1,
    keys_file: Annotated[
        Path | None, typer.Option("--keys", help="Take only requests with a key of this file.", metavar="FILE")
    ] = None,
    anybody: Annotated[bool, typer.Option("--open", help="Let other machines ask without a key.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Make it an error to reach any other machine.")] = False,
    certificate: Annotated[
        Path | None, typer.Option("--tls-certificate", help="Speak HTTPS with this certificate.", metavar="PEM")
    ] = None,
    private_key: Annotated[
        Path | None, typer.Option("--tls-key", help="Its key, if it is another file.", metavar="PEM")
    ] = None,
) -> None:
    """Serve the expert over HTTP, in OpenAI's protocol and in Ollama's."""
    from boffin.serve import serve_bundle

    files = {"keys": keys_file, "tls_certificate": certificate, "tls_key": private_key}
    flags = [f'appliance.host="{host}"'] if host else []
    flags += [f"appliance.port={port}"] if port >= 0 else []
    flags += ["appliance.access.open=true"] if anybody else []
    flags += ["appliance.offline=true"] if offline else []
    flags += [f"appliance.access.{name}={json.dumps(str(path.absolute()))}" for name, path in files.items() if path]
    serve_bundle(folder, [*(assignments or []), *flags], bundle)


def batch(
    questions: Annotated[Path, typer.Argument(help="A question a line: JSON with `question`, `messages` or `prompt`.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The answers, a line each.", metavar="FILE")],
    folder: Folder = HERE,
    assignments: Assignments = None,
    bundle: Bundle = None,
    url: Url = "",
    at_once: Annotated[int, typer.Option("--at-once", help="Requests under way; 0 for the server's slots.", min=0)] = 0,
) -> None:
    """Answer a file of questions; what is answered already is not asked again."""
    from boffin.batch import run_batch

    run_batch(questions, out, folder, assignments or [], bundle, url, at_once)
