"""The application: its routes, what stands before them, and errors in one shape.

Knows what there is; nothing about what it does, nor about processes, addresses or signals.
"""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from appliance.server import chat, completions, failures, ollama, responses, state, tokens
from appliance.server.gate import Gate, Keyring
from appliance.server.guard import Guard
from appliance.server.journal import Journal
from appliance.server.serving import Serving


def create_app(serving: Serving, keyring: Keyring | None = None) -> FastAPI:
    """The application around what is served; with a keyring, only for who has a key."""
    # No documentation pages: they load scripts from elsewhere.
    app = FastAPI(title="Boffin", docs_url=None, redoc_url=None)
    # The last one that is added stands first: a page's browser asks without a key whether it may ask.
    if keyring is not None:
        app.add_middleware(Gate, keyring=keyring)
    if origins := serving.settings.access.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=["X-Request-Id", "Retry-After"],
        )
    app.add_middleware(Guard, settings=serving.settings)
    app.add_middleware(Journal, counts=serving.http)
    failures.install(app)
    for routes in (state, tokens, chat, completions, responses, ollama):
        app.include_router(routes.router(serving))
    return app
