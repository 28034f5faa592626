"""`boffin serve`: the expert over HTTP, until it is told to stop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from boffin.served import find_bundle


def serve_bundle(folder: Path, assignments: Sequence[str], bundle: Path | None) -> None:
    """Serve until SIGTERM or Ctrl+C."""
    from appliance.server import serve

    served = find_bundle(folder, assignments, bundle)
    # A rebuilt bundle doesn't change under a running server: it keeps the folder that it started with.
    serve(served.bundle.resolve(), served.settings, served.cache)
