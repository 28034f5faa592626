"""Cut off from the network: from then on this process can reach its own machine and nothing else.

By one of Python's audit hooks, which sees whatever is connected, sent or looked up through Python, by whichever
library, and can't be taken out again. llama.cpp is built without code for networks. Knows nothing about servers.
"""

from __future__ import annotations

import errno
import ipaddress
import logging
import socket
import sys
from typing import Any

from appliance.loopback import is_loopback

log = logging.getLogger(__name__)

_SENDING = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
"""Events whose arguments are a socket and an address."""
_LOOKING_UP = frozenset({"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"})
"""Events whose first argument is a name, for which a name server would be asked."""


def cut_off() -> None:
    """Make every connection to another machine an error, until the process ends: a PermissionError, and a line in
    the log."""
    sys.addaudithook(_watch)


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _SENDING:
        sock, address = arguments
        # A connected socket sends without an address; a socket within the machine has a path for one.
        if sock.family in (socket.AF_INET, socket.AF_INET6) and address is not None and not is_loopback(address[0]):
            _refuse(f"{address[0]} port {address[1]}")
    elif event in _LOOKING_UP:
        host = arguments[0]
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
        if name and not is_loopback(name) and not _is_address(name):
            _refuse(name)


def _refuse(what: str) -> None:
    log.error("offline: refused to reach %s", what)
    raise PermissionError(errno.EACCES, f"offline: {what} is not this machine; appliance.offline forbids to reach it")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
