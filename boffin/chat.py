"""`boffin chat`: the terminal UI, or line by line, in front of the project's expert or a server elsewhere."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from boffin.served import Served, conversations, endpoint, find_served, first_model, key, piped_input, serving_settings
from bundle.errors import SettingsError

if TYPE_CHECKING:
    from appliance.conversations import Store
    from appliance.settings import ChatSettings


def open_chat(
    folder: Path,
    assignments: Sequence[str],
    bundle: Path | None,
    url: str,
    *,
    plain: bool = False,
    browser: bool = False,
) -> None:
    """Open the chat and return when the user leaves it; what is piped in is the first question's text. In a browser
    keys come through the pipe, and this machine's files and programs are out of reach.

    Raises:
        SettingsError: there is no terminal to draw on.
    """
    served = find_served(folder, assignments, bundle, url)
    settings = (served.settings if served else serving_settings(folder, assignments)).chat
    if plain:
        with conversations() as store, endpoint(served, url) as address:
            _converse(store, address, key(url), settings)
        return
    text = "" if browser else piped_input()
    if not browser and not (sys.stdout.isatty() and _terminal_input()):
        raise SettingsError("boffin chat needs a terminal; use `boffin chat --plain` or `boffin ask` in scripts")
    with conversations() as store, endpoint(served, url) as address:
        asyncio.run(_draw(store, address, key(url), settings, served, text, browser))


async def _draw(
    store: Store, address: str, secret: str, settings: ChatSettings, served: Served | None, text: str, browser: bool
) -> None:
    from appliance.client import AsyncClient
    from appliance.conversations import Thread
    from appliance.tui import ChatApp

    async with AsyncClient(address, key=secret) as client:
        model = first_model(await client.models(), address)
        votes = served.preferences if served else None
        files = None if browser else Path()
        app = ChatApp(client, Thread(store), model, settings, preferences=votes, text=text, folder=files)
        app.call_later(gc.freeze)  # what is here stays: the chat looks for garbage often, and is to look at little
        await app.run_async()


def _converse(store: Store, address: str, secret: str, settings: ChatSettings) -> None:
    from appliance.client import Client
    from appliance.conversations import Thread
    from appliance.phrases import PHRASES
    from appliance.plain import PlainChat

    interactive = sys.stdin.isatty()
    if interactive:
        import readline  # noqa: F401  line editing and history for input()

    def write(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    with Client(address, key=secret) as client:
        model = first_model(client.models(), address)
        if interactive:
            write(f"{model}: ask, or /help. Ctrl+D leaves.\n")
        prompt = "> " if interactive else ""
        PlainChat(client, Thread(store), model, PHRASES | settings.phrases, lambda: input(prompt), write).run()


def _terminal_input() -> bool:
    """Whether keys can be read: from standard input, or, where that was a pipe, from the terminal itself."""
    if sys.stdin is not None and sys.stdin.isatty():
        return True
    try:
        terminal = os.open("/dev/tty", os.O_RDWR)
    except OSError:
        return False
    os.dup2(terminal, 0)
    os.close(terminal)
    return True
