"""The screen in each of its states, letter by letter, as it was looked at and found good.

A state that is to look otherwise: remove its file, run the test, look at the new file, keep it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from appliance.tui.status import StatusLine

from .scripted import CODE, Chat, Server, chat
from .test_tui_sources import reading

pytestmark = pytest.mark.anyio
FOLDER = Path(__file__).parent / "snapshots"
TABLE = "| name | meaning |\n|---|---|\n| `json` | the body |\n\n> Noted.\n\n1. First\n2. Second\n\n"


async def empty(c: Chat, server: Server) -> None:
    pass


async def answered(c: Chat, server: Server) -> None:
    await c.ask("How do I multiply?")


async def streaming(c: Chat, server: Server) -> None:
    server.script = [["Use it so:\n\n```python\nimport num", threading.Event()]]
    await c.ask("How do I multiply?", wait=False)
    await c.until(lambda: "import num" in c.shown)


async def stopped(c: Chat, server: Server) -> None:
    await streaming(c, server)
    await c.press("escape")
    await c.until(lambda: not c.screen.answering)


async def refused(c: Chat, server: Server) -> None:
    server.refusal = "the prompt has 3,000 tokens; at most 2,048 fit"
    await c.ask("How do I multiply?")


async def branched(c: Chat, server: Server) -> None:
    await answered(c, server)
    server.script = [["Use `@`."]]
    await c.press("ctrl+r")
    await c.until(lambda: c.answers == ["Use `@`."] and not c.screen.answering)
    await c.press("f7", "ctrl+up", "f2")


async def conversations(c: Chat, server: Server) -> None:
    await answered(c, server)
    await c.press("ctrl+o")
    await c.until(lambda: "just now" in c.shown)


async def search(c: Chat, server: Server) -> None:
    await conversations(c, server)
    await c.press(*"numpy")
    await c.until(lambda: "1 hit" in c.shown)


async def blocks(c: Chat, server: Server) -> None:
    await answered(c, server)
    await c.press("f3")
    await c.until(lambda: "Enter copies" in c.shown)


async def options(c: Chat, server: Server) -> None:
    await c.press("f6")
    await c.until(lambda: "Preset" in c.shown)


async def sources(c: Chat, server: Server) -> None:
    server.script = [reading()]
    await answered(c, server)
    await c.press("f9")
    await c.until(lambda: "copies the address" in c.shown)


async def commands(c: Chat, server: Server) -> None:
    await c.press("ctrl+p")
    await c.press(*"copy")
    await c.until(lambda: "Copy the last block" in c.shown)


async def lost(c: Chat, server: Server) -> None:
    await answered(c, server)
    server.health = {"status": "failed", "detail": "the engine has failed"}
    c.screen.query_one(StatusLine).look()
    await c.until(lambda: "the engine has failed" in c.status("server"))


async def better(c: Chat, server: Server) -> None:
    await answered(c, server)
    await c.press("f8")
    await c.until(lambda: "better answer" in c.shown)


async def keys(c: Chat, server: Server) -> None:
    await c.press("f1")
    await c.until(lambda: "prompt.send" in c.shown)


STATES: list[Callable[[Chat, Server], Awaitable[None]]] = [
    empty,
    answered,
    streaming,
    stopped,
    refused,
    branched,
    conversations,
    search,
    blocks,
    options,
    sources,
    commands,
    lost,
    better,
    keys,
]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
async def test_the_screen_is_as_it_was(server: Server, state: Callable[[Chat, Server], Awaitable[None]]) -> None:
    server.script = [[TABLE, CODE]]
    async with chat(server.url) as c:
        await c.until(lambda: "Q8_0" in c.status("server"))
        await state(c, server)
        await c.pilot.pause()
        shown = re.sub(r"first \d\.\d\d s", "first 0.00 s", c.shown.replace(server.url, "http://server"))
    shown = "\n".join(line.rstrip() for line in shown.splitlines()) + "\n"
    path = FOLDER / f"{state.__name__}.txt"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.write_text(shown)
        pytest.fail(f"{path} is new: look at it")
    assert shown == path.read_text()
