"""Pictures of the terminal UI, made from the real application in front of a real server.

    python scripts/screenshots.py --bundle workspace/bundle --question "How do I …?" --out docs/images/

Writes chat.svg, and chat.png where cairosvg is installed. With --url it joins a server that runs already.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.client import AsyncClient
from appliance.conversations import Store, Thread
from appliance.launch import LocalServer
from appliance.settings import ApplianceSettings
from appliance.tui import ChatApp
from appliance.tui.conversation import Conversation
from appliance.tui.notice import Notice
from appliance.tui.prompt import Prompt
from bundle.atomic import write_text
from bundle.errors import BoffinError, ServerError

PATIENCE = 600.0
"""Seconds to wait for the answer."""
FONT = "DejaVu Sans Mono"
"""The font of the PNG, which is drawn on this machine."""
SCALE = 18 / 12.2
"""Scale of the PNG: cells of the SVG, 12.2 wide, get 18 whole pixels, so that lines join."""
DESCENDER = 6
"""What the export cuts off below the last line, in the SVG's units."""


async def take(url: str, question: str, size: tuple[int, int]) -> str:
    """Ask the question and return the screen with its answer, as SVG.

    Raises:
        ServerError: no server answers, or it doesn't end in time.
    """
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "conversations.db") as store:
        return await _take(url, question, size, Thread(store))


async def _take(url: str, question: str, size: tuple[int, int], thread: Thread) -> str:
    async with AsyncClient(url) as client:
        app = ChatApp(client, thread, (await client.models())[0])
        async with app.run_test(size=size) as pilot:
            app.chat.query_one(Prompt).text = question
            await pilot.press("enter")
            deadline = time.monotonic() + PATIENCE
            while app.chat.answering or not thread.path:
                if time.monotonic() > deadline:
                    raise ServerError(f"{url}: no answer within {PATIENCE:.0f} seconds; look at the server's log")
                await pilot.pause(0.05)
            for notice in app.chat.query(Notice):
                raise ServerError(str(notice.content).splitlines()[0])
            # The question and what follows it, however long the answer is.
            app.chat.query_one(Conversation).scroll_home(animate=False)
            await pilot.pause()
            return tidy(app.export_screenshot(title="boffin chat"))


def tidy(svg: str) -> str:
    """The picture without its web fonts, so that showing it calls nobody, and with the whole of its last line."""
    svg = re.sub(r"@font-face\s*\{.*?\}", "", svg, flags=re.DOTALL)
    svg = svg.replace("font-family: Fira Code", f"font-family: Fira Code, Menlo, Consolas, {FONT}")
    return re.sub(
        r'(clip-terminal">\s*<rect [^>]*height=")([\d.]+)',
        lambda match: f"{match[1]}{float(match[2]) + DESCENDER:.1f}",
        svg,
    )


def write(svg: str, out: Path) -> list[Path]:
    """Write the picture in every format that this machine can make."""
    out.mkdir(parents=True, exist_ok=True)
    written = [out / "chat.svg"]
    write_text(written[0], svg)
    try:
        import cairosvg  # type: ignore[import-untyped]
    except (ImportError, OSError):
        return written
    written.append(out / "chat.png")
    drawn = re.sub(r"font-family: Fira Code[^;]*", f"font-family: {FONT}", svg)
    cairosvg.svg2png(bytestring=drawn.encode(), write_to=str(written[1]), scale=SCALE)
    return written


@contextmanager
def served(bundle: Path | None, url: str) -> Iterator[str]:
    """The address of the server: the one that was named, or one of the bundle for as long as this lasts."""
    if bundle is None:
        yield url
        return
    with tempfile.TemporaryDirectory() as cache, LocalServer(bundle, ApplianceSettings(), Path(cache)) as server:
        yield server.url


def main() -> int:
    """Take the pictures that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    server = parser.add_mutually_exclusive_group(required=True)
    server.add_argument("--url", help="address of a running server")
    server.add_argument("--bundle", type=Path, help="bundle to serve for as long as it takes")
    parser.add_argument("--question", required=True, help="what to ask it")
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    parser.add_argument("--columns", type=int, default=100)
    parser.add_argument("--rows", type=int, default=36)
    arguments = parser.parse_args()
    try:
        with served(arguments.bundle, arguments.url) as url:
            svg = asyncio.run(take(url, arguments.question, (arguments.columns, arguments.rows)))
    except BoffinError as error:
        print(f"screenshots: {error}", file=sys.stderr)
        return 1
    for path in write(svg, arguments.out):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
