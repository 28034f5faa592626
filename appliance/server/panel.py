"""`/panel.js` and `/panel.css`: the panel that asks from a page of documentation.

The script is one function, put together here from what lies in appliance/panel/. Knows nothing about what it does.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import Response

FOLDER = Path(__file__).parents[1] / "panel"
LIBRARIES = {"marked": "vendor/marked.min.js", "DOMPurify": "vendor/purify.min.js"}
"""What the panel stands on, by the names that it has for them."""
PATHS = ("/panel.js", "/panel.css")
_COMMENT = re.compile(r"^\s*//.*\n?", re.MULTILINE)
_HEADERS = {
    "Cache-Control": "public, max-age=3600",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
    "Vary": "Accept-Encoding",
}


@dataclass(frozen=True)
class Asset:
    """A file as it is served."""

    text: bytes
    packed: bytes
    """The same, gzipped."""
    tag: str
    """Changes with it (HTTP's ETag)."""


@cache
def script() -> Asset:
    """The panel with all that it stands on, as one function: a page has its own `marked`, or a loader of modules."""
    parts = ['(function () {\n"use strict";\nconst lib = {};\n']
    for name, file in LIBRARIES.items():
        source = (FOLDER / file).read_text(encoding="utf-8")
        parts.append(f"lib.{name} = (function () {{ const exports = {{}}, module = {{ exports }}; let define;\n")
        parts.append(f"{source}\nreturn module.exports; }})();\n")
    parts += [(FOLDER / "panel.js").read_text(encoding="utf-8"), "})();\n"]
    return _asset(_COMMENT.sub("", "".join(parts)))


@cache
def sheet() -> Asset:
    """The panel's look."""
    return _asset((FOLDER / "panel.css").read_text(encoding="utf-8"))


def _asset(text: str) -> Asset:
    encoded = text.encode()
    return Asset(encoded, gzip.compress(encoded, 9, mtime=0), f'"{hashlib.sha256(encoded).hexdigest()[:32]}"')


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/panel.js")
    async def panel_script(client: Request) -> Response:
        return _reply(client, script(), "text/javascript; charset=utf-8")

    @routes.get("/panel.css")
    async def panel_sheet(client: Request) -> Response:
        return _reply(client, sheet(), "text/css; charset=utf-8")

    return routes


def _reply(client: Request, asset: Asset, kind: str) -> Response:
    headers = {**_HEADERS, "ETag": asset.tag, "Content-Type": kind}
    if client.headers.get("if-none-match") == asset.tag:
        return Response(status_code=304, headers=headers)
    if "gzip" in client.headers.get("accept-encoding", ""):
        return Response(asset.packed, headers={**headers, "Content-Encoding": "gzip"})
    return Response(asset.text, headers=headers)
