"""The application: its routes, what stands before them, and errors in one shape.

Knows what there is; nothing about what it does, nor about processes, addresses or signals.
"""

from __future__ import annotations

from fastapi import FastAPI

from appliance.server import chat, completions, failures, ollama, panel, responses, state, tokens
from appliance.server.gate import Gate, Keyring
from appliance.server.guard import Guard, Pages
from appliance.server.journal import Journal
from appliance.server.serving import Serving


def create_app(serving: Serving, keyring: Keyring | None = None) -> FastAPI:
    """The application around what is served; with a keyring, only for who has a key."""
    # No documentation pages: they load scripts from elsewhere.
    app = FastAPI(title="Boffin", docs_url=None, redoc_url=None, responses=failures.DESCRIBED)
    origins = frozenset(origin.lower() for origin in serving.settings.access.origins)

    def listed(origin: str) -> bool:
        return origin in origins or (keyring is not None and keyring.has_origin(origin))

    # The last one that is added stands first: a page's browser asks without a key whether it may ask.
    if keyring is not None:
        app.add_middleware(Gate, keyring=keyring)
    app.add_middleware(Pages, listed=listed)
    app.add_middleware(Guard, settings=serving.settings, listed=listed)
    app.add_middleware(Journal, counts=serving.http)
    failures.install(app)
    for routes in (state, tokens, chat, completions, responses, ollama):
        app.include_router(routes.router(serving))
    app.include_router(panel.router())
    return app
