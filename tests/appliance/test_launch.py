"""A server as a subprocess."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from appliance.client import Client
from appliance.launch import LocalServer, running_server
from appliance.settings import ApplianceSettings
from bundle.errors import ServerError


def test_it_serves_and_is_gone_afterwards(bundle: Path, settings: ApplianceSettings, tmp_path: Path) -> None:
    before = set(psutil.Process().children())
    with LocalServer(bundle, settings, tmp_path) as server, Client(server.url) as client:
        health = client.health()
        assert (health.status, health.slots, health.context) == ("ok", settings.slots, settings.context)
        port = int(server.url.rpartition(":")[2])
        assert running_server(bundle, settings.model_copy(update={"port": port})) == server.url
        (child,) = set(psutil.Process().children()) - before
    assert not child.is_running()
    assert running_server(bundle, settings.model_copy(update={"port": port})) is None


def test_another_bundles_server_is_not_taken(
    server: str, sealed: Callable[..., Path], settings: ApplianceSettings
) -> None:
    other = sealed(base_revision="another")
    assert running_server(other, settings.model_copy(update={"port": int(server.rpartition(":")[2])})) is None


def test_it_stops_when_its_standard_input_closes(bundle: Path, settings: ApplianceSettings, tmp_path: Path) -> None:
    before = set(psutil.Process().children())
    server = LocalServer(bundle, settings, tmp_path)
    try:
        server.start()
        (child,) = set(psutil.Process().children()) - before
        assert server._process is not None
        assert server._process.stdin is not None
        server._process.stdin.close()  # as the end of this process would
        assert child.wait(30) == 0
    finally:
        server.stop()


def test_a_server_that_was_killed_is_back_at_its_address(
    bundle: Path, settings: ApplianceSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.launch._LOOK", 0.05)
    with LocalServer(bundle, settings, tmp_path) as server, server.kept_alive(), Client(server.url) as client:
        assert server._process is not None
        killed = server._process
        killed.kill()
        killed.wait()
        deadline = time.monotonic() + 60
        while True:
            with suppress(ServerError):
                if client.health().status == "ok":
                    break
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert server._process is not killed


def test_a_server_that_cannot_start_says_why(bundle: Path, settings: ApplianceSettings, tmp_path: Path) -> None:
    too_long = settings.model_copy(update={"context": 100_000})
    with pytest.raises(ServerError, match=r"^appliance\.context is 100000"), LocalServer(bundle, too_long, tmp_path):
        pass
    with pytest.raises(ServerError, match="no bundle here"), LocalServer(tmp_path, settings, tmp_path):
        pass


def test_files_in_the_current_folder_do_not_stand_in_for_modules(
    bundle: Path, settings: ApplianceSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "uvicorn.py").write_text("raise SystemExit('taken over')")
    monkeypatch.chdir(tmp_path)
    # A relative path in it would name that folder, and rightly so.
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    with LocalServer(bundle, settings, tmp_path) as server:
        assert server.url
