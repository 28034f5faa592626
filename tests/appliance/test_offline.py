"""Offline: no way out through Python's sockets, and a server whose sockets are watched while it answers."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import httpx
import psutil
import pytest

from appliance.settings import ApplianceSettings

# An address for documentation (RFC 5737), which belongs to nobody; and it is never reached.
FAR = "192.0.2.1"
WAYS_OUT = {
    "connect": f"socket.socket().connect(('{FAR}', 80))",
    "connect_ex": f"socket.socket().connect_ex(('{FAR}', 80))",
    "IPv6": "socket.socket(socket.AF_INET6).connect(('2001:db8::1', 80))",
    "create_connection": f"socket.create_connection(('{FAR}', 80))",
    "sendto": f"socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('{FAR}', 53))",
    "sendmsg": f"socket.socket(type=socket.SOCK_DGRAM).sendmsg([b'x'], [], 0, ('{FAR}', 53))",
    "a name": "socket.getaddrinfo('example.org', 80)",
    "an old look-up": "socket.gethostbyname('example.org')",
    "asyncio": f"asyncio.run(asyncio.open_connection('{FAR}', 80))",
    "urllib": f"urllib.request.urlopen('http://{FAR}/')",
    "a thread": f"threads.submit(socket.create_connection, ('{FAR}', 80)).result()",
}
WITHIN = {
    "connect": "socket.socket().connect(listener.getsockname())",
    "a name": "socket.create_connection(('localhost', listener.getsockname()[1]))",
    "IPv6": "socket.getaddrinfo('::1', 80)",
    "asyncio": "asyncio.run(asyncio.open_connection(*listener.getsockname()))",
    "a pair": "a, b = socket.socketpair(); a.send(b'x')",
    "an address to listen on": "socket.getaddrinfo('0.0.0.0', 80)",
}
BEFORE = (
    "import asyncio, socket, urllib.request; from concurrent.futures import ThreadPoolExecutor;"
    "from appliance.offline import cut_off; listener = socket.create_server(('127.0.0.1', 0));"
    "threads = ThreadPoolExecutor(); socket.setdefaulttimeout(5); cut_off()\n"
)


@pytest.mark.parametrize("way", WAYS_OUT)
def test_no_way_leads_out(way: str) -> None:
    code = f"{BEFORE}try:\n    {WAYS_OUT[way]}\nexcept OSError as error:\n    print(repr(error))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "offline: " in run.stdout
    assert "refused to reach" in run.stderr


@pytest.mark.parametrize("way", WITHIN)
def test_this_machine_can_be_reached(way: str) -> None:
    subprocess.run([sys.executable, "-c", f"{BEFORE}{WITHIN[way]}"], check=True)


def test_an_offline_server_answers_and_has_no_socket_to_elsewhere(bundle: Path, tmp_path: Path) -> None:
    settings = ApplianceSettings(context=512, gpu_layers=0, offline=True)
    command = [sys.executable, "-P", "-m", "appliance.server", "--bundle", str(bundle), "--port=0"]
    command += [f"--cache-dir={tmp_path}", f"--settings={settings.model_dump_json()}"]
    peers: set[str] = set()
    done = threading.Event()

    def watch(process: psutil.Process) -> None:
        while not done.is_set():
            for one in [process, *process.children(recursive=True)]:
                peers.update(each.raddr.ip for each in one.net_connections("inet") if each.raddr)

    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        watcher = threading.Thread(target=watch, args=(psutil.Process(process.pid),))
        watcher.start()
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            with httpx.Client(base_url=url, timeout=120, trust_env=False) as client:
                while client.get("/health").status_code != 200:
                    pass
                body = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 16}
                assert client.post("/v1/chat/completions", json=body).json()["usage"]["completion_tokens"]
        finally:
            done.set()
            watcher.join()
            process.terminate()
    # The watcher did see the connections that there were.
    assert peers == {"127.0.0.1"}
