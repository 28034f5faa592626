"""The child's side of the HTTP fixture: where it listens, and under which names the code finds it.

Works on the standard library alone, because it runs inside whichever interpreter runs the untrusted code. The sockets
are made here and served elsewhere, so that they belong to this interpreter's network. Knows nothing about HTTP.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

NAMES = ("httpbin.org", "www.httpbin.org")
"""The names that are answered; every other fails at once, as it does where there is no name server."""
_HOST = "127.0.0.1"
_SERVICES = {80: 0, "80": 0, "http": 0, 443: 1, "443": 1, "https": 1}
_BACKLOG = 64


def listen() -> tuple[socket.socket, socket.socket]:
    """Two listening sockets on free loopback ports, for HTTP and HTTPS."""
    return socket.create_server((_HOST, 0), backlog=_BACKLOG), socket.create_server((_HOST, 0), backlog=_BACKLOG)


def redirect(ports: Sequence[int]) -> None:
    """Answer `socket.getaddrinfo` for the fixture's names with these ports (HTTP, HTTPS), and for no other name.

    What asks the C library itself for an address (curl) isn't answered.
    """
    ask = socket.getaddrinfo

    def getaddrinfo(
        host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> list[tuple[Any, ...]]:
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
        if isinstance(name, str) and name.rstrip(".").lower() in NAMES and family in (0, socket.AF_INET):
            port = ports[_SERVICES[port]] if port in _SERVICES else port
            host = _HOST
        return ask(host, port, family, type, proto, flags | socket.AI_NUMERICHOST)

    socket.getaddrinfo = getaddrinfo
