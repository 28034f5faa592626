"""The requests that wait: first come, first served for each client, and the clients in turn.

Not safe between threads by itself. Knows nothing about slots or memory.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable

from appliance.engine.slot import Ticket


class Line:
    """Waiting requests."""

    def __init__(self) -> None:
        self._clients: OrderedDict[str, deque[Ticket]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def add(self, ticket: Ticket, *, first: bool = False) -> None:
        """Put a request behind the others of its client, or before those of all."""
        line = self._clients.setdefault(ticket.request.client, deque())
        if first:
            line.appendleft(ticket)
            self._clients.move_to_end(ticket.request.client, last=False)
        else:
            line.append(ticket)
        self._length += 1

    def first(self) -> Ticket | None:
        """The request whose turn it is."""
        return next((line[0] for line in self._clients.values()), None)

    def take(self) -> Ticket:
        """Take that request out; its client's next one comes after every other client's."""
        client, line = self._clients.popitem(last=False)
        ticket = line.popleft()
        self._length -= 1
        if line:
            self._clients[client] = line
        return ticket

    def remove(self, gone: Callable[[Ticket], bool]) -> list[Ticket]:
        """Take every request out for which `gone` holds; the others keep their turn."""
        removed: list[Ticket] = []
        for client, line in list(self._clients.items()):
            stay = deque[Ticket]()
            for ticket in line:
                (removed if gone(ticket) else stay).append(ticket)
            if stay:
                self._clients[client] = stay
            else:
                del self._clients[client]
        self._length -= len(removed)
        return removed
