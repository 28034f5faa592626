"""Servers that are measured in turn: Boffin's, llama.cpp's own (xllamacpp carries it) and llama-cpp-python's.

Each is a process of its own on a free port of this machine, with the same file, threads and memory. The others live
in an environment of their own, which `make bench-serve` sets up. Knows nothing about what is asked.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appliance.settings import AnswerCache, ApplianceSettings, PrefixCache

NATIVE = """
import sys, xllamacpp
path, port, slots, context, threads = sys.argv[1], *map(int, sys.argv[2:])
params = xllamacpp.CommonParams()
params.model.path, params.port, params.n_parallel, params.n_ctx = path, port, slots, slots * context
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
params.cache_ram_mib = 0
server = xllamacpp.Server(params)
sys.stdin.read()
"""
"""llama.cpp's server as its own defaults have it: a memory for each slot."""
START = 120.0
"""Seconds that a server gets to load."""
SETTLED = 30.0
"""Seconds that the servers get to become idle."""


@dataclass(frozen=True)
class Server:
    """A server that answers."""

    name: str
    port: int
    pid: int
    body: dict[str, Any] = field(default_factory=dict)
    """What its requests have beside the common fields: no caches."""

    def processor_seconds(self) -> float:
        """The processor time that it has had so far; 0 where the system doesn't tell."""
        stat = Path(f"/proc/{self.pid}/stat")
        fields = stat.read_text().rpartition(")")[2].split() if stat.exists() else []
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else 0.0

    def peak_memory(self) -> int:
        """The most memory that it has had so far, in bytes; 0 where the system doesn't tell."""
        status = Path(f"/proc/{self.pid}/status")
        lines = status.read_text().splitlines() if status.exists() else []
        return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


@dataclass(frozen=True)
class Work:
    """What all of them serve, and with what."""

    bundle: Path
    quantisation: str
    file: Path
    slots: int
    context: int
    """Tokens of a slot."""
    threads: int


def settle(servers: Sequence[Server]) -> None:
    """Wait until all of them are idle: one whose streams broke off may still compute for them."""
    deadline = time.monotonic() + SETTLED
    while time.monotonic() < deadline:
        before = sum(server.processor_seconds() for server in servers)
        time.sleep(0.3)  # long enough for the processor time of one that computes to show
        if sum(server.processor_seconds() for server in servers) - before < 0.05:
            return


@contextmanager
def boffin(work: Work, name: str = "boffin", **settings: Any) -> Iterator[Server]:
    """Boffin's server, without its caches and guesses unless the `settings` of the appliance say otherwise."""
    port = settings.get("port") or _free_port()
    off = {"cache": AnswerCache(enabled=False), "prefixes": PrefixCache(enabled=False), "speculation": "off"}
    same = {
        "quantisation": work.quantisation,
        "slots": work.slots,
        "context": work.context,
        "threads": work.threads,
        "port": port,
    }
    given = ApplianceSettings.model_validate({**off, **same, **settings}).model_dump_json()
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-m", "appliance.server", f"--bundle={work.bundle}", f"--cache-dir={cache}"]
        with _started(name, port, [*command, "--settings", given], "/health") as pid:
            yield Server(name, port, pid, {"cache": False})


@contextmanager
def native(work: Work, python: Path) -> Iterator[Server]:
    """llama.cpp's own server."""
    port = _free_port()
    numbers = [str(number) for number in (port, work.slots, work.context, work.threads)]
    with _started("native", port, [str(python), "-c", NATIVE, str(work.file), *numbers], "/health") as pid:
        yield Server("native", port, pid, {"cache_prompt": False})


@contextmanager
def python_server(work: Work, python: Path) -> Iterator[Server]:
    """llama-cpp-python's server."""
    port = _free_port()
    numbers = {"--n_ctx": work.context, "--n_threads": work.threads, "--n_threads_batch": work.threads, "--port": port}
    flags = [text for flag, number in numbers.items() for text in (flag, str(number))]
    command = [str(python), "-m", "llama_cpp.server", "--model", str(work.file), *flags]
    with _started("python", port, command, "/v1/models") as pid:
        yield Server("python", port, pid)


def peer_versions(python: Path) -> dict[str, str]:
    """The versions of the others, with the revision of ggml that llama-cpp-python was built from."""
    code = (
        "import ctypes, json, importlib.metadata as m, llama_cpp._ggml as g\n"
        "said = {n: m.version(n) for n in ('xllamacpp', 'llama-cpp-python')}\n"
        "for n in ('version', 'commit'):\n"
        "    f = getattr(g.libggml, 'ggml_' + n); f.restype = ctypes.c_char_p\n"
        "    said['llama-cpp-python: ggml ' + n] = f().decode()\n"
        "print(json.dumps(said))"
    )
    run = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True)
    versions: dict[str, str] = json.loads(run.stdout)
    return versions


@contextmanager
def _started(name: str, port: int, command: Sequence[str], ready: str) -> Iterator[int]:
    """The process of a server that answers on `ready`; ended afterwards."""
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors) as process,
    ):
        try:
            deadline = time.monotonic() + START
            while not _answers(f"http://127.0.0.1:{port}{ready}"):
                if process.poll() is not None or time.monotonic() > deadline:
                    errors.seek(0)
                    sys.exit(f"{name}: the server doesn't start: {errors.read()[-2000:]}")
                time.sleep(0.1)
            yield process.pid
        finally:
            process.kill()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
