"""The server's life: it takes its address, loads the expert, imports what speaks HTTP meanwhile, and stops in the end.

Knows about sockets and the order of things; nothing about requests. What it imports at its own start is little, since
a person waits for the first answer of a server that starts with the question.
"""

from __future__ import annotations

import socket
import ssl
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.keys import load_keys
from appliance.loopback import is_loopback
from appliance.offline import cut_off
from appliance.server.logs import write_logs
from appliance.server.signals import Signals
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
        SettingsError: the settings don't fit the model, or the keys can't be read.
        ServerError: the address is taken, or others can reach it and there are no keys; the certificate can't be used;
            or the memory isn't there.
    """
    write_logs(requests=settings.log.requests)
    if settings.offline:
        cut_off()
    manifest = load_manifest(bundle)
    file = manifest.model(settings.quantisation)
    if settings.access.keys is not None:
        load_keys(settings.access.keys)
    _check_reach(settings)
    _check_certificate(settings)
    signals = Signals()
    with _listen(settings.host, settings.port) as listener, signals.heard():
        address = _url(listener, "https" if settings.access.tls_certificate else "http")
        print(f"serving {manifest.name} ({file.quantisation}) at {address}", flush=True)
        loader = ThreadPoolExecutor(1, thread_name_prefix="loading")
        loading = loader.submit(_load, bundle, settings, cache_dir)
        try:
            from appliance.server.listening import answer
            from appliance.server.serving import Serving

            sys.setswitchinterval(SWITCH_INTERVAL)
            answer(listener, Serving(manifest, file, settings), loading, signals, until)
        finally:
            loader.shutdown()
            _close(loading)
    loading.result()


def _load(bundle: Path, settings: ApplianceSettings, cache_dir: Path) -> Expert:
    from appliance.engine.weights import Weights

    weights = Weights(bundle, settings, cache_dir)
    from appliance.engine.expert import Expert  # while the weights are being loaded

    return Expert(bundle, settings, cache_dir, weights)


def _close(loading: Future[Expert]) -> None:
    if loading.exception() is None:
        loading.result().close()


def _check_reach(settings: ApplianceSettings) -> None:
    """Refuse an address that others can reach where they would be asked for no key."""
    if not (is_loopback(settings.host) or settings.access.keys or settings.access.open):
        raise ServerError(
            f"appliance.host is {settings.host!r}, which others can reach, and they would be asked for no key; "
            "use 127.0.0.1, or name a file of keys in appliance.access.keys, or say that anybody may ask "
            "(appliance.access.open)"
        )


def _check_certificate(settings: ApplianceSettings) -> None:
    """Refuse a certificate that can't be used, if there is one."""
    access = settings.access
    if access.tls_certificate is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(access.tls_certificate, access.tls_key)
    except OSError as error:  # which ssl's own errors are, too
        reason = error.strerror or str(error)
        raise ServerError(
            f"{access.tls_certificate}: can't be used as a certificate with its key ({reason}); "
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
