"""The server's life: it takes its address, listens, loads the expert meanwhile, and stops when it is told to.

Knows about sockets, signals and the order of things; nothing about requests.
"""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from appliance.server.app import create_app
from appliance.server.guard import is_loopback
from appliance.server.serving import Serving
from appliance.settings import ApplianceSettings
from bundle.errors import ServerError
from bundle.manifest import load_manifest

if TYPE_CHECKING:  # it imports llama.cpp, which the server loads only after it listens
    from appliance.engine.expert import Expert

GRACE = 10
"""Seconds that running answers get when the server is told to stop."""


def serve(
    bundle: Path, settings: ApplianceSettings, cache_dir: Path, *, until: Callable[[], object] | None = None
) -> None:
    """Serve a bundle until SIGTERM or SIGINT, or until `until`, which is called on a thread, returns.

    One line on standard output tells the address once the server listens; the expert loads after that.

    Raises:
        BundleError: the bundle is incomplete or damaged.
        SettingsError: the settings don't fit the model.
        ServerError: the address is taken or not a loopback address, or the memory isn't there.
    """
    manifest = load_manifest(bundle)
    file = manifest.model(settings.quantisation)
    listener = _listen(settings.host, settings.port)
    serving = Serving(manifest, file, settings)
    config = uvicorn.Config(
        create_app(serving),
        http="h11",
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE,
    )
    server = _Server(config)
    loading = _Loading(bundle, settings, cache_dir, serving, server)
    with listener, _signals_stop(server):
        print(f"serving {manifest.name} ({file.quantisation}) at {_url(listener)}", flush=True)
        loading.start()
        if until is not None:
            threading.Thread(target=_stop_after, args=(until, server), name="until", daemon=True).start()
        try:
            server.run(sockets=[listener])
        finally:
            loading.join()
            if loading.expert is not None:
                loading.expert.close()
    if loading.error is not None:
        raise loading.error


class _Server(uvicorn.Server):
    """uvicorn's server without its handling of signals, which raises them again once it is done."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()


@contextmanager
def _signals_stop(server: uvicorn.Server) -> Iterator[None]:
    """Let SIGTERM and SIGINT stop a server, gracefully the first time, when this is the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, server.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Loading(threading.Thread):
    """Loads the expert beside the server, which answers `/health` meanwhile; stops the server when that fails."""

    def __init__(
        self, bundle: Path, settings: ApplianceSettings, cache_dir: Path, serving: Serving, server: uvicorn.Server
    ) -> None:
        super().__init__(name="loading")
        self._arguments = (bundle, settings, cache_dir)
        self._serving = serving
        self._server = server
        self.expert: Expert | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            from appliance.engine.expert import Expert

            self.expert = self._serving.expert = Expert(*self._arguments)
        except Exception as error:
            self.error = error
            self._server.should_exit = True


def _stop_after(until: Callable[[], object], server: uvicorn.Server) -> None:
    until()
    server.should_exit = True


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens on a loopback address."""
    if not is_loopback(host):
        raise ServerError(
            f"appliance.host is {host!r}, which others can reach, and this server asks nobody for a key; "
            "use 127.0.0.1, ::1 or localhost"
        )
    try:
        family, kind, protocol, _name, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(128)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise ServerError(f"{host}:{port}: can't listen there ({reason}); choose another appliance.port") from None
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
