"""uvicorn around the application, on a socket that listens already: it answers until it is told to stop.

What can't be answered in the time that stopping leaves is told so. Knows nothing about addresses or bundles.
"""

from __future__ import annotations

import asyncio
import math
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import uvicorn

from appliance.server.app import create_app
from appliance.server.connection import patient
from appliance.server.gate import Keyring
from appliance.server.serving import Serving
from appliance.server.signals import Signals

if TYPE_CHECKING:  # it imports llama.cpp, which is loaded beside this
    from appliance.engine.expert import Expert


def answer(
    listener: socket.socket,
    serving: Serving,
    loading: Future[Expert],
    signals: Signals,
    until: Callable[[], object] | None,
) -> None:
    """Answer until a signal says so, `until` returns (it is called on a thread), or loading fails.

    Raises:
        SettingsError: the keys can't be read.
    """
    access, limits = serving.settings.access, serving.settings.limits
    keyring = Keyring(access.keys) if access.keys else None
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
    server = _Server(config, serving)
    signals.reload = keyring.reload if keyring else None
    signals.stop_with(server.handle_exit)
    if until is not None:
        threading.Thread(target=_stop_after, args=(until, server), name="until", daemon=True).start()

    def loaded(loading: Future[Expert]) -> None:
        if loading.exception() is None:
            serving.expert = loading.result()
        else:
            server.should_exit = True

    loading.add_done_callback(loaded)
    server.run(sockets=[listener])


class _Server(uvicorn.Server):
    """uvicorn's server without its handling of signals, which raises them again once it is done; it closes the expert
    while it stops."""

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


def _stop_after(until: Callable[[], object], server: uvicorn.Server) -> None:
    until()
    server.should_exit = True
