"""Talking with the expert: `boffin serve`, `boffin ask` and `boffin chat`.

`ask` and `chat` join the server that already serves this very bundle, or start one of their own for as long as they
need it. They reach it over HTTP, as any other client does.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from appliance.settings import ApplianceSettings
from boffin.project import open_project
from boffin.settings import FILE, load_appliance_settings, load_settings
from boffin.stages import BUNDLE
from bundle.errors import SettingsError
from bundle.manifest import load_manifest

if TYPE_CHECKING:
    from appliance.events import Done

CACHE = Path("~/.cache/boffin")
"""Where answers are kept for a bundle that comes without a project."""
MAX_INPUT = 1_000_000
"""Characters of standard input that are read."""


@dataclass(frozen=True)
class Served:
    """What is to be served, and how."""

    bundle: Path
    settings: ApplianceSettings
    cache: Path


def find_bundle(folder: Path, assignments: Sequence[str], bundle: Path | None) -> Served:
    """The bundle that was named, or else the project's.

    Raises:
        BundleError: there is none.
        SettingsError: the project's settings can't be used.
    """
    if bundle is not None:
        served = Served(bundle.resolve(), _beside(Path(), load_appliance_settings(assignments)), CACHE.expanduser())
    else:
        project = open_project(folder, assignments)
        workspace = project.workspace
        settings = _beside(project.folder, project.settings.appliance)
        served = Served(workspace.path(BUNDLE), settings, workspace.path("cache"))
    load_manifest(served.bundle)
    return served


def serving_settings(folder: Path, assignments: Sequence[str]) -> ApplianceSettings:
    """The project's settings of the appliance, or the defaults where there is no project.

    Raises:
        SettingsError: they can't be used.
    """
    if (folder / FILE).exists():
        return _beside(folder, load_settings(folder, assignments).appliance)
    return _beside(Path(), load_appliance_settings(assignments))


def _beside(folder: Path, settings: ApplianceSettings) -> ApplianceSettings:
    """The settings with the paths of files taken from a folder on."""
    names = ("keys", "tls_certificate", "tls_key")
    found = {name: folder / path.expanduser() for name in names if (path := getattr(settings.access, name))}
    adapters = {name: folder / path.expanduser() for name, path in settings.adapters.items()}
    return settings.model_copy(update={"access": settings.access.model_copy(update=found), "adapters": adapters})


def serve_bundle(folder: Path, assignments: Sequence[str], bundle: Path | None) -> None:
    """Serve until SIGTERM or Ctrl+C."""
    from appliance.server import serve

    served = find_bundle(folder, assignments, bundle)
    # A rebuilt bundle doesn't change under a running server: it keeps the folder that it started with.
    serve(served.bundle.resolve(), served.settings, served.cache)


def ask_once(
    question: str,
    folder: Path,
    assignments: Sequence[str],
    bundle: Path | None,
    url: str,
    *,
    grounding: bool | None = None,
    sources: bool = False,
) -> None:
    """Stream one answer to standard output; what comes on standard input is added to the question.

    `grounding` says whether documentation is read before (the server's settings stand in for None). With `sources` the
    answer comes as a whole, with the numbers of the passages that bear its sentences out, and what was read below.
    """
    from appliance.sanitise import Sanitiser

    piped = "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.read(MAX_INPUT).strip()
    content = "\n\n".join(part for part in (question.strip(), piped) if part)
    if not content:
        raise SettingsError('nothing was asked; write boffin ask "How do I …?", or pipe a question in')
    with open_endpoint(folder, assignments, bundle, url) as endpoint:
        # Here, where a server of its own has begun to start.
        from appliance.client import ChatOptions, Client, CodeCheck, Delta
        from appliance.events import marked

        fit = Sanitiser()
        text = ""
        done: Done | None = None
        with Client(endpoint) as client:
            options: ChatOptions = {"model": client.models()[0]}
            if grounding is not None:
                options["grounding"] = grounding
            for event in client.chat([{"role": "user", "content": content}], **options):
                if isinstance(event, Delta) and sources:
                    text += event.text
                elif isinstance(event, Delta):
                    text = fit.feed(event.text)
                    typer.echo(text, nl=False)
                elif not isinstance(event, CodeCheck):
                    done = event
        if sources and done:  # what is cited is known at the end
            text = fit.feed(marked(text, done.citations))
            typer.echo(text, nl=False)
        if not text.endswith("\n"):
            typer.echo()
    if done:
        _tell(done, sources=sources)


def _tell(done: Done, *, sources: bool) -> None:
    """Tell on standard error what in the answer's code doesn't exist, and below the answer what was read for it."""
    from appliance.sanitise import Sanitiser

    for finding in (finding for check in done.checks for finding in check.findings):
        near = f"; did it mean {finding.nearest}?" if finding.nearest else ""
        typer.echo(Sanitiser().feed(f"{finding.name} does not exist{near}".replace("\n", " ")), err=True)
    if sources:
        typer.echo("\nRead before answering:" if done.sources else "\nNothing of the documentation was read for it.")
    for one in done.sources if sources else ():
        parts = (one.title, f"({one.package} {one.version})", one.url, one.licence, one.attribution)
        typer.echo(Sanitiser().feed(f"  [{one.number}] {' '.join(filter(None, parts))}".replace("\n", " ")))


def open_chat(folder: Path, assignments: Sequence[str], bundle: Path | None, url: str) -> None:
    """Open the terminal UI."""
    from appliance.client import Client
    from appliance.tui import run

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise SettingsError("boffin chat needs a terminal; use `boffin ask` in scripts")
    with open_endpoint(folder, assignments, bundle, url) as endpoint:
        with Client(endpoint) as client:
            model = client.models()[0]
        run(endpoint, model, model)


@contextmanager
def open_endpoint(folder: Path, assignments: Sequence[str], bundle: Path | None, url: str) -> Iterator[str]:
    """The address of a server: the one that was named, one that runs already, or one that lives as long as this."""
    from appliance.launch import LocalServer, running_server

    if url:
        yield url.rstrip("/").removesuffix("/v1")
        return
    served = find_bundle(folder, assignments, bundle)
    if running := running_server(served.bundle, served.settings):
        yield running
        return
    if sys.stderr.isatty():
        typer.echo("Starting the expert …", err=True)
    with LocalServer(served.bundle.resolve(), served.settings, served.cache) as server:
        yield server.url
