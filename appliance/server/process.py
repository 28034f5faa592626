"""The server's life: it takes its address, listens, loads the expert meanwhile, and stops when it is told to.

Knows about sockets, signals and the order of things; nothing about requests.
"""

from __future__ import annotations

import asyncio
import math
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn

from appliance.server.app import create_app
from appliance.server.connection import patient
from appliance.server.gate import Keyring
from appliance.server.guard import is_loopback
from appliance.server.journal import write_logs
from appliance.server.serving import Serving
from appliance.settings import ApplianceSettings
from bundle.errors import ServerError
from bundle.manifest import load_manifest

if TYPE_CHECKING:  # it imports llama.cpp, which the server loads only after it listens
    from appliance.engine.expert import Expert

SWITCH_INTERVAL = 0.0005
"""Seconds after which a thread that wants the interpreter gets it: between two steps the engine's thread needs it for
a moment, and waited up to 5 ms for the event loop's with Python's own interval."""


def serve(
    bundle: Path, settings: ApplianceSettings, cache_dir: Path, *, until: Callable[[], object] | None = None
) -> None:
    """Serve a bundle until SIGTERM or SIGINT, or until `until`, which is called on a thread, returns.

    One line on standard output tells the address once the server listens; the expert loads after that.

    Raises:
        BundleError: the bundle is incomplete or damaged.
        SettingsError: the settings don't fit the model.
        ServerError: the address is taken, or others can reach it and there are no keys; or the memory isn't there.
    """
    write_logs(requests=settings.log.requests)
    sys.setswitchinterval(SWITCH_INTERVAL)
    access, limits = settings.access, settings.limits
    manifest = load_manifest(bundle)
    file = manifest.model(settings.quantisation)
    keyring = Keyring(access.keys) if access.keys else None
    _check_reach(settings)
    serving = Serving(manifest, file, settings)
    config = uvicorn.Config(
        create_app(serving, keyring),
        http=patient(limits.patience),
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=limits.connections,
        timeout_graceful_shutdown=math.ceil(limits.grace) + 1,
        ssl_certfile=access.tls_certificate,
        ssl_keyfile=access.tls_key,
    )
    _load(config)
    listener = _listen(settings.host, settings.port)
    server = _Server(config, serving)
    loading = _Loading(bundle, settings, cache_dir, serving, server)
    with listener, _signals(server, keyring):
        address = _url(listener, "https" if access.tls_certificate else "http")
        print(f"serving {manifest.name} ({file.quantisation}) at {address}", flush=True)
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
    """uvicorn's server without its handling of signals, which raises them again once it is done; and when it stops,
    what can't be answered in time is told so."""

    def __init__(self, config: uvicorn.Config, serving: Serving) -> None:
        super().__init__(config)
        self._serving = serving

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        closing = asyncio.create_task(asyncio.to_thread(self._close_expert))
        await super().shutdown(sockets)
        await closing

    def _close_expert(self) -> None:
        if self._serving.expert is not None:
            self._serving.expert.close(self._serving.settings.limits.grace)


@contextmanager
def _signals(server: uvicorn.Server, keyring: Keyring | None) -> Iterator[None]:
    """Let SIGTERM and SIGINT stop a server, gracefully the first time, and SIGHUP read its keys again.

    Only when this is the main thread, which alone gets signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers: dict[int, Callable[[int, FrameType | None], None]] = {
        signal.SIGINT: server.handle_exit,
        signal.SIGTERM: server.handle_exit,
    }
    if hasattr(signal, "SIGHUP") and keyring is not None:
        handlers[signal.SIGHUP] = lambda _number, _frame: keyring.reload()
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
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


def _check_reach(settings: ApplianceSettings) -> None:
    """Refuse an address that others can reach where they would be asked for no key."""
    if not (is_loopback(settings.host) or settings.access.keys or settings.access.open):
        raise ServerError(
            f"appliance.host is {settings.host!r}, which others can reach, and they would be asked for no key; "
            "use 127.0.0.1, or name a file of keys in appliance.access.keys, or say that anybody may ask "
            "(appliance.access.open)"
        )


def _load(config: uvicorn.Config) -> None:
    """Read the certificate, if there is one."""
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or str(error)
        raise ServerError(
            f"{config.ssl_certfile}: can't be used as a certificate with its key ({reason}); "
            "check appliance.access.tls_certificate and tls_key"
        ) from None


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens on an address."""
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


def _url(listener: socket.socket, scheme: str) -> str:
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
