"""The application: its routes, what stands before them, and errors in one shape.

Knows what there is; nothing about what it does, nor about processes, addresses or signals.
"""

from __future__ import annotations

from fastapi import FastAPI

from appliance.server import chat, completions, failures, ollama, responses, state, tokens
from appliance.server.guard import Guard
from appliance.server.serving import Serving


def create_app(serving: Serving) -> FastAPI:
    """The application around what is served."""
    # No documentation pages: they load scripts from elsewhere.
    app = FastAPI(title="Boffin", docs_url=None, redoc_url=None)
    app.add_middleware(Guard)
    failures.install(app)
    for routes in (state, tokens, chat, completions, responses, ollama):
        app.include_router(routes.router(serving))
    return app
