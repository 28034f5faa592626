"""The chat in a browser, through textual-serve: each tab gets a process of its own that draws into it.

Only this machine is listened on. A page of another origin could reach that, too: what it sends is refused. Knows
nothing about the application but the command that starts it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web
from textual_serve.server import Server

HOST = "127.0.0.1"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ChatServer(Server):
    """Serves the page, and the chat's processes behind it."""

    def __init__(self, command: str, port: int, public_url: str, told: Callable[[str], None]) -> None:
        """`public_url` is where a proxy shows the page, empty for none; `told` gets the address once it is served."""
        super().__init__(command, HOST, port, "boffin chat", public_url or None)
        own = {f"http://{name}:{port}" for name in (HOST, "localhost")}
        self._origins = own | ({_origin(public_url)} if public_url else set())
        self._hosts = {urlsplit(origin).netloc for origin in self._origins}
        self._told = told

    def initialize_logging(self) -> None:
        """Warnings only, on standard error."""
        logging.basicConfig(level=logging.WARNING)

    async def on_startup(self, app: web.Application) -> None:
        """Say where it is."""
        self._told(self.public_url)

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.middlewares.append(self._guard())
        return app

    def _guard(self) -> Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]:
        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            origin = request.headers.get("Origin")
            # A name that was made to lead here (DNS rebinding) stands in Host, a page elsewhere in Origin.
            if request.host not in self._hosts or (origin is not None and origin not in self._origins):
                raise web.HTTPForbidden(text="not from there; --public-url names the address of a proxy\n")
            return await handler(request)

        return guard


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
