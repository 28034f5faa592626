"""What `boffin serve`, `ask`, `chat` and `batch` have in common: the bundle that is meant, the server that answers.

The last three join the server that already serves this very bundle. Where there is none, `chat` and `batch` start one
for as long as they need it, which they reach over HTTP as any other client does; `ask` has the expert in its own
process, since its only answer would have to wait for a server.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from appliance.settings import ApplianceSettings
from boffin.artefacts import BUNDLE
from boffin.serving_settings import load_appliance_settings, load_serving_settings
from boffin.settings_file import FILE
from boffin.workspace import Workspace
from bundle.errors import BoffinError, ConversationError, ServerError
from bundle.manifest import load_manifest
from bundle.preferences import PREFERENCES

if TYPE_CHECKING:
    from appliance.conversations import Store
    from appliance.wire import Answering

CACHE = Path("~/.cache/boffin")
"""Where answers are kept for a bundle that comes without a project."""
KEY = "BOFFIN_API_KEY"
"""The variable with the key of a server that wants one."""
MAX_INPUT = 1_000_000
"""Characters of standard input that are read."""


@dataclass(frozen=True)
class Served:
    """What is to be served, and how."""

    bundle: Path
    settings: ApplianceSettings
    cache: Path
    preferences: Path | None = None
    """Where the trainer reads votes; None where there is no project."""


def find_bundle(folder: Path, assignments: Sequence[str], bundle: Path | None) -> Served:
    """The bundle that was named, or else the project's.

    Raises:
        BundleError: there is none.
        SettingsError: the project's settings can't be used.
    """
    if bundle is not None:
        served = Served(bundle.resolve(), _beside(Path(), load_appliance_settings(assignments)), CACHE.expanduser())
    else:
        folder = folder.resolve()
        project = load_serving_settings(folder, assignments)
        workspace = Workspace(folder / Path(project.project.workspace).expanduser())
        votes = folder / (project.preferences or PREFERENCES)
        settings = _beside(folder, project.appliance)
        served = Served(workspace.path(BUNDLE), settings, workspace.path("cache"), votes)
    _cut_off(served.settings)
    load_manifest(served.bundle)
    return served


def find_served(folder: Path, assignments: Sequence[str], bundle: Path | None, url: str) -> Served | None:
    """The bundle that is to answer; None where the server at `url` is.

    Raises:
        BundleError: there is no bundle.
        SettingsError: the project's settings can't be used.
    """
    if not url:
        return find_bundle(folder, assignments, bundle)
    _cut_off(serving_settings(folder, assignments))
    return None


def _cut_off(settings: ApplianceSettings) -> None:
    if settings.offline:
        from appliance.offline import cut_off

        cut_off()


def serving_settings(folder: Path, assignments: Sequence[str]) -> ApplianceSettings:
    """The project's settings of the appliance, or the defaults where there is no project.

    Raises:
        SettingsError: they can't be used.
    """
    if (folder / FILE).exists():
        return _beside(folder, load_serving_settings(folder, assignments).appliance)
    return _beside(Path(), load_appliance_settings(assignments))


def _beside(folder: Path, settings: ApplianceSettings) -> ApplianceSettings:
    """The settings with the paths of files taken from a folder on."""
    names = ("keys", "tls_certificate", "tls_key")
    found = {name: folder / path.expanduser() for name in names if (path := getattr(settings.access, name))}
    adapters = {name: folder / path.expanduser() for name, path in settings.adapters.items()}
    return settings.model_copy(update={"access": settings.access.model_copy(update=found), "adapters": adapters})


def key(url: str) -> str:
    """The key for a server that was named, from the environment or else from the system's keyring; empty for none."""
    told = os.environ.get(KEY)
    return _remembered(url) if url and told is None else told or ""


def _remembered(url: str) -> str:
    """What the system's keyring has for an address, where the package `keyring` is there and can be asked."""
    try:
        import keyring
    except ImportError:
        return ""
    try:
        return keyring.get_password("boffin", url) or ""
    except Exception as error:  # each system's keyring has errors of its own
        typer.echo(f"boffin: the keyring can't be asked ({type(error).__name__}); set {KEY} instead", err=True)
        return ""


def first_model(models: Sequence[str], url: str) -> str:
    """The model that answers where none is named.

    Raises:
        ServerError: the server has none.
    """
    if not models:
        raise ServerError(f"{url}: the server has no model; look at its log")
    return models[0]


@contextmanager
def endpoint(served: Served | None, url: str) -> Iterator[str]:
    """The address of a server: the one that was named, one that runs already, or one that lives as long as this."""
    from appliance.launch import LocalServer, running_server

    if served is None:
        yield url.rstrip("/").removesuffix("/v1")
        return
    if running := running_server(served.bundle, served.settings):
        yield running
        return
    with ExitStack() as stack:
        with _while_it_loads(served):
            server = stack.enter_context(LocalServer(served.bundle.resolve(), served.settings, served.cache))
        stack.enter_context(server.kept_alive())
        yield server.url


@contextmanager
def _while_it_loads(served: Served) -> Iterator[None]:
    """Say on a terminal what is being loaded, and for how long."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    manifest = load_manifest(served.bundle)
    model = manifest.model(served.settings.quantisation)
    said = f"Starting {manifest.name} {model.quantisation}, {model.bytes / 1e6:,.0f} MB …"
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        progress.add_task(said, total=None)
        yield


@contextmanager
def answering(served: Served | None, url: str) -> Iterator[Answering]:
    """Who answers a single question: the server that was named, one that runs already, or the expert in here."""
    from appliance.launch import running_server

    address = running_server(served.bundle, served.settings) if served else url.rstrip("/").removesuffix("/v1")
    if address is not None:
        from appliance.client import Client

        with Client(address, key=key(url)) as client:
            yield client
        return
    from appliance.direct import Direct

    assert served is not None
    with Direct(served.bundle.resolve(), served.settings, served.cache) as expert:
        yield expert


@contextmanager
def conversations() -> Iterator[Store]:
    """The user's conversations; where they can't be kept, one says so and forgets them at the end."""
    from appliance.conversations import Store, default_place

    with tempfile.TemporaryDirectory(prefix="boffin-") as folder:
        try:
            store = Store(default_place())
        except ConversationError as error:
            typer.echo(f"boffin: {error}", err=True)
            store = Store(Path(folder) / "conversations.db")
        with store:
            yield store


def piped_input() -> str:
    """What came through a pipe; empty from a terminal.

    Raises:
        BoffinError: it isn't text.
    """
    if sys.stdin is None or sys.stdin.isatty():
        return ""
    try:
        return sys.stdin.read(MAX_INPUT).strip()
    except UnicodeDecodeError:
        raise BoffinError("standard input: not UTF-8 text; convert it first") from None
