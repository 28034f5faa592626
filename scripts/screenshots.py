"""Pictures of the terminal UI in its main states, made from the real application in front of a real server.

    python scripts/screenshots.py --bundle workspace/bundle --question "How do I …?" --out docs/images/

Writes chat.svg (the answer to the first question) and chat-STATE.svg, and each as PNG where cairosvg is installed. With
--url it joins a server that runs already, which it can't lose.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from textual.pilot import Pilot
from textual.widgets import Label

from appliance.client import AsyncClient
from appliance.conversations import Store, Thread
from appliance.launch import LocalServer
from appliance.settings import ApplianceSettings, ChatSettings, Grounding
from appliance.tui import ChatApp
from appliance.tui.answer import Answer
from appliance.tui.conversation import Conversation
from appliance.tui.notice import Notice
from appliance.tui.prompt import Prompt
from bundle.atomic import write_text
from bundle.errors import BoffinError, ServerError

PATIENCE = 600.0
"""Seconds to wait for anything."""
FONT = "DejaVu Sans Mono"
"""The font of the PNG, which is drawn on this machine."""
SCALE = 18 / 12.2
"""Scale of the PNG: cells of the SVG, 12.2 wide, get 18 whole pixels, so that lines join."""
DESCENDER = 6
"""What the export cuts off below the last line, in the SVG's units."""
SIZE = (100, 36)
SMALL = (80, 24)
LONG = "Which functions of numpy make arrays? A table, then an example."
"""What is asked for a long answer; the second question."""
BEGUN = """`numpy` has several functions that make an array.

| Function | What it makes |
|---|---|
| `numpy.arange` | evenly spaced numbers, by their step |
| `numpy.linspace` | evenly spaced numbers, by how many there are |
| `numpy.zeros` |"""
"""How its answer begins: a small model writes no table by itself, but it goes on with one."""
SOUGHT = "array"


@dataclass
class Session:
    """The pictures that were taken, and what they are taken of."""

    url: str
    store: Store
    taken: dict[str, str] = field(default_factory=dict)
    """SVG by the state's name."""

    @asynccontextmanager
    async def open(self, size: tuple[int, int] = SIZE, theme: str = "") -> AsyncIterator[View]:
        """The application, with the newest conversation."""
        newest = self.store.newest()
        thread = Thread(self.store) if newest is None else Thread.open(self.store, newest.id)
        async with AsyncClient(self.url) as client:
            model = (await client.models())[0]
            app = ChatApp(client, thread, model, ChatSettings(theme=theme))
            async with app.run_test(size=size) as pilot:
                view = View(self, app, pilot)
                await view.until(lambda: "connecting" not in view.status)
                yield view
                app.exit()


class View:
    """The running application, and its keys."""

    def __init__(self, session: Session, app: ChatApp, pilot: Pilot[None]) -> None:
        self.app = app
        self._session = session
        self._pilot = pilot

    @property
    def status(self) -> str:
        """The server's half of the status line."""
        return str(self.app.chat.query_one("#server", Label).content)

    @property
    def shown(self) -> str:
        """The text on the screen."""
        return "\n".join(strip.text for strip in self.app.screen._compositor.render_strips())

    @property
    def answer(self) -> str:
        """What came of the last answer."""
        return "".join(answer.text for answer in list(self.app.chat.query(Answer))[-1:])

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition.

        Raises:
            ServerError: in vain.
        """
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                raise ServerError(f"{self._session.url}: no answer within {PATIENCE:.0f} s; look at the server's log")
            await self._pilot.pause(0.02)
        await self._pilot.pause()

    async def press(self, *keys: str, until: str) -> None:
        """Press keys, and wait for a text on the screen."""
        await self._pilot.press(*keys)
        await self.until(lambda: until in self.shown)

    async def ask(self, question: str) -> None:
        """Send a question."""
        chat = self.app.chat
        chat.query_one(Prompt).text = question
        await self._pilot.press("enter")
        await self.until(lambda: chat.thread.path or chat.query(Notice))

    async def go_on(self, question: str, begun: str) -> None:
        """Ask a question whose answer has begun, and wait for its end."""
        chat = self.app.chat
        draft = chat.thread.ask(question, chat.model)
        draft.feed(begun)
        chat.thread.end(draft, "cut")
        await chat.open(chat.thread)
        await self._pilot.press("f4")
        await self.until(lambda: self.answer[len(begun) :] or chat.query(Notice))
        await self.answered()

    async def answered(self) -> None:
        """Wait for the answer's end.

        Raises:
            ServerError: it failed.
        """
        await self.until(lambda: not self.app.chat.answering)
        for notice in self.app.chat.query(Notice):
            raise ServerError(str(notice.content).splitlines()[0])

    async def take(self, name: str) -> None:
        """Take the picture of a state."""
        await self._pilot.pause()
        self._session.taken[name] = tidy(self.app.export_screenshot(title="boffin chat"))


async def take(url: str, question: str, lose: Callable[[], None] | None) -> dict[str, str]:
    """Take every picture; `lose` ends the server, for the last one.

    Raises:
        ServerError: no server answers, or it doesn't end in time.
    """
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "conversations.db") as store:
        session = Session(url, store)
        async with session.open() as view:
            await view.take("chat-empty")
            await view.ask(question)
            await view.until(lambda: "import" in view.answer or not view.app.chat.answering)
            await view.take("chat-streaming")
            await view.answered()
            # The question and what follows it, however long the answer is.
            view.app.chat.query_one(Conversation).scroll_home(animate=False)
            await view.take("chat")
            await view.press("ctrl+p", until="Copy answer")
            await view.take("chat-palette")
            await view.press("escape", until="Ask a question")
            await view.press("f1", until="prompt.send")
            await view.take("chat-help")
            await view.press("escape", until="Ask a question")
            await view.press("f6", until="Preset")
            await view.take("chat-options")
            await view.press("escape", until="Ask a question")
            await view.go_on(LONG, BEGUN)
            await view.take("chat-long")
            await view.press("f3", until="Enter copies")
            await view.take("chat-blocks")
            await view.press("escape", until="Ask a question")
            await view.press("ctrl+o", until="just now")
            await view.press(*SOUGHT, until="hit")
            await view.take("chat-search")
        async with session.open(SMALL) as view:
            await view.take("chat-small")
        async with session.open(theme="boffin-contrast") as view:
            await view.take("chat-contrast")
        if lose is not None:
            async with session.open() as view:
                await asyncio.to_thread(lose)
                await view.until(lambda: "no server answers" in view.status)
                await view.take("chat-lost")
        return session.taken


def tidy(svg: str) -> str:
    """The picture without its web fonts, so that showing it calls nobody, and with the whole of its last line."""
    svg = re.sub(r"@font-face\s*\{.*?\}", "", svg, flags=re.DOTALL)
    svg = svg.replace("font-family: Fira Code", f"font-family: Fira Code, Menlo, Consolas, {FONT}")
    return re.sub(
        r'(clip-terminal">\s*<rect [^>]*height=")([\d.]+)',
        lambda match: f"{match[1]}{float(match[2]) + DESCENDER:.1f}",
        svg,
    )


def write(svg: str, path: Path) -> list[Path]:
    """Write a picture in every format that this machine can make; `path` has no suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = [path.with_suffix(".svg")]
    write_text(written[0], svg)
    try:
        import cairosvg  # type: ignore[import-untyped]
    except (ImportError, OSError):
        return written
    written.append(path.with_suffix(".png"))
    drawn = re.sub(r"font-family: Fira Code[^;]*", f"font-family: {FONT}", svg)
    cairosvg.svg2png(bytestring=drawn.encode(), write_to=str(written[1]), scale=SCALE)
    return written


@contextmanager
def served(bundle: Path | None, url: str) -> Iterator[tuple[str, Callable[[], None] | None]]:
    """The address of the server and what ends it: the one that was named, or one of the bundle for this while."""
    if bundle is None:
        yield url, None
        return
    settings = ApplianceSettings(grounding=Grounding(enabled=True, passages=2, tokens=300))
    with tempfile.TemporaryDirectory() as cache, LocalServer(bundle, settings, Path(cache)) as server:
        yield server.url, server.stop


def main() -> int:
    """Take the pictures that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    server = parser.add_mutually_exclusive_group(required=True)
    server.add_argument("--url", help="address of a running server")
    server.add_argument("--bundle", type=Path, help="bundle to serve for as long as it takes")
    parser.add_argument("--question", required=True, help="what to ask it first")
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    arguments = parser.parse_args()
    try:
        with served(arguments.bundle, arguments.url) as (url, lose):
            pictures = asyncio.run(take(url, arguments.question, lose))
    except BoffinError as error:
        print(f"screenshots: {error}", file=sys.stderr)
        return 1
    for name, svg in pictures.items():
        for path in write(svg, arguments.out / name):
            print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
