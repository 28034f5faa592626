"""`boffin web`: the chat in a browser of this machine, or behind a proxy with a login."""

from __future__ import annotations

import shlex
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import typer

from boffin.served import endpoint, find_served
from bundle.errors import SettingsError


def serve_web(
    folder: Path, assignments: Sequence[str], bundle: Path | None, url: str, port: int, public_url: str
) -> None:
    """Serve the chat until Ctrl+C.

    Raises:
        SettingsError: the port is taken, the public address is none, or textual-serve isn't installed.
    """
    try:
        from appliance.tui.browser import HOST, ChatServer
    except ModuleNotFoundError:
        raise SettingsError("boffin web needs textual-serve; install it with: pip install textual-serve") from None
    if public_url and not (urlsplit(public_url).scheme in ("http", "https") and urlsplit(public_url).netloc):
        raise SettingsError(f"--public-url {public_url}: not an address; write it like https://chat.example.org")
    try:
        socket.create_server((HOST, port)).close()
    except OSError:
        raise SettingsError(f"port {port} of this machine is taken; give another one with --port") from None
    served = find_served(folder, assignments, bundle, url)
    with endpoint(served, url) as address:
        # What the page shows can't touch this machine's files or programs: it may be somebody else's.
        told = ["-C", str(folder), *(f"--set={one}" for one in assignments), f"--url={address}", "--browser"]
        command = shlex.join([sys.executable, "-P", "-m", "boffin", "chat", *told])
        ChatServer(command, port, public_url, lambda where: typer.echo(f"The chat is at {where}")).serve()
