"""A local server as a subprocess: started on a free port, waited for, stopped; and one that runs already, found.

The child stops when its parent ends, however that ends: it reads a pipe that closes then. Knows the server's command
line and its health; nothing about the engine.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self
from urllib.parse import urlsplit

from appliance.settings import Access, ApplianceSettings, Logs
from bundle.errors import ServerError
from bundle.manifest import load_manifest

if TYPE_CHECKING:  # it takes a while to import, in which a server can start
    from appliance.client import Health

START_TIMEOUT = 300.0
"""Seconds that a server gets to load its model: a large one is read and digested first."""
STOP_TIMEOUT = 20.0
"""Seconds that a server gets to stop before it is killed."""
RESTARTS = 5
"""How often a server that ends by itself is started again."""
_POLL = 0.02
_LOOK = 1.0
"""Seconds between two looks at whether a server still runs."""
_TRY = 2.0
"""Seconds in which a server that runs already takes a connection."""


class LocalServer:
    """A server of one bundle on a free port of this machine; a context manager."""

    def __init__(self, bundle: Path, settings: ApplianceSettings, cache_dir: Path) -> None:
        """`settings.host`, `port`, `access` and `log` are left aside: any free loopback port is taken."""
        self._bundle = bundle
        self._settings = settings
        self._cache_dir = cache_dir
        self._process: subprocess.Popen[str] | None = None
        self._errors: IO[str] | None = None
        self.url = ""
        """The server's root, e.g. `http://127.0.0.1:40123`, once it has been started."""

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def start(self) -> Health:
        """Start the server and wait until it answers; returns its state.

        Raises:
            ServerError: it doesn't start; the text carries its own last line.
        """
        process = self._spawn()
        from appliance.client import Client

        self.url = self._read_address(process)
        deadline = time.monotonic() + START_TIMEOUT
        with Client(self.url) as client:
            while time.monotonic() < deadline:
                if process.poll() is not None:
                    raise self._failure(process)
                # Where it doesn't answer it may just be stopping with an error, which the next look tells.
                with suppress(ServerError):
                    health = client.health()
                    if health.status == "ok":
                        return health
                time.sleep(_POLL)
        raise ServerError(f"{self._bundle}: the server did not load it within {START_TIMEOUT:.0f} s; try a smaller one")

    @contextmanager
    def kept_alive(self) -> Iterator[None]:
        """Start the server again, at the address that it has, when it ends by itself; at most `RESTARTS` times."""
        over = threading.Event()

        def watch() -> None:
            left = RESTARTS
            while left and not over.wait(_LOOK):
                if self._process is not None and self._process.poll() is not None:
                    left -= 1
                    # Where it can't be started the next look tries again.
                    with suppress(ServerError):
                        self.url = self._read_address(self._spawn())

        watcher = threading.Thread(target=watch, name="watch", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()

    def _spawn(self) -> subprocess.Popen[str]:
        """Start the process: it tells its address as soon as it listens, and loads its model after that."""
        # Once it has an address it keeps it, so that its clients find it again.
        port = urlsplit(self.url).port or 0
        own = {"host": "127.0.0.1", "port": port, "access": Access(), "log": Logs(requests=False)}
        settings = self._settings.model_copy(update=own)
        if self._errors is not None:
            self._errors.close()
        if self._process is not None and self._process.stdin is not None and self._process.stdout is not None:
            self._process.stdin.close()
            self._process.stdout.close()
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115  `stop` closes it
        process = self._process = subprocess.Popen(
            [
                sys.executable,
                "-P",  # a file in the current folder must not stand in for a module of the server
                "-m",
                "appliance.server",
                "--until-stdin-closes",
                f"--bundle={self._bundle}",
                f"--cache-dir={self._cache_dir}",
                f"--settings={settings.model_dump_json()}",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            start_new_session=True,  # Ctrl+C in the terminal is meant for whoever shows the answer
        )
        return process

    def stop(self) -> None:
        """Stop the server: it gets some seconds to end its answers, then it is killed."""
        process, self._process = self._process, None
        if process is not None:
            if process.stdin is not None:
                process.stdin.close()
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        if self._errors is not None:
            self._errors.close()
            self._errors = None

    def peak_memory(self) -> int | None:
        """The most memory that the server has had so far, in bytes; None where the system doesn't tell."""
        if self._process is None:
            return None
        try:
            lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        except OSError:
            return None
        peak = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
        return int(peak[0]) * 1024 if peak else None

    def _read_address(self, process: subprocess.Popen[str]) -> str:
        """The address, which the server tells in its first line as soon as it listens."""
        assert process.stdout is not None
        line = process.stdout.readline()
        _, found, url = line.strip().rpartition(" at ")
        if not found:
            raise self._failure(process)
        return url

    def _failure(self, process: subprocess.Popen[str]) -> ServerError:
        """The error of a server that has ended: the last line that it wrote."""
        code = process.wait()
        assert self._errors is not None
        self._errors.seek(0)
        lines = [line.strip() for line in self._errors.read()[-4000:].splitlines() if line.strip()]
        if not lines:
            return ServerError(
                f"{self._bundle}: the server ended with code {code} and said nothing; try `boffin serve`"
            )
        return ServerError(lines[-1].removeprefix("error: "))


def running_server(bundle: Path, settings: ApplianceSettings) -> str | None:
    """The root of a server that is ready at the settings' address and serves this very bundle, or None.

    Raises:
        BundleError: there is no such bundle.
    """
    manifest = load_manifest(bundle)
    file = manifest.model(settings.quantisation)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    if not settings.port:
        return None
    try:
        socket.create_connection((settings.host, settings.port), timeout=_TRY).close()
    except OSError:
        return None
    from appliance.client import Client

    try:
        with Client(f"http://{host}:{settings.port}") as client:
            health = client.health()
    except ServerError:
        return None
    same = (health.bundle, health.quantisation) == (manifest.digest, file.quantisation)
    return client.url if same and health.status == "ok" else None
