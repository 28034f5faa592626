"""What every test of the terminal UI gets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .scripted import Server, start


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal with all colours."""
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture
def server() -> Iterator[Server]:
    """A back end that answers from a script."""
    server = start()
    yield server
    server.shutdown()
    server.server_close()
