"""Where the key for a server comes from: the environment, else the system's keyring; it never costs an answer."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from boffin.served import KEY, key

URL = "http://docs.example.org:8639"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY, raising=False)
    monkeypatch.setitem(sys.modules, "keyring", None)


def remember(monkeypatch: pytest.MonkeyPatch, secret: str) -> list[tuple[str, str]]:
    asked: list[tuple[str, str]] = []

    def get_password(service: str, name: str) -> str | None:
        asked.append((service, name))
        return secret if name == URL else None

    monkeypatch.setitem(sys.modules, "keyring", SimpleNamespace(get_password=get_password))
    return asked


def test_without_either_there_is_none() -> None:
    assert key(URL) == key("") == ""


def test_the_keyring_is_asked_by_the_address_that_was_named(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = remember(monkeypatch, "secret")
    assert key(URL) == "secret"
    assert key("http://another") == ""
    assert asked == [("boffin", URL), ("boffin", "http://another")]


def test_the_environment_comes_first_and_this_machines_servers_need_no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = remember(monkeypatch, "secret")
    assert key("") == ""
    for told in ("other", ""):
        monkeypatch.setenv(KEY, told)
        assert key(URL) == key("") == told
    assert asked == []


def test_a_keyring_that_fails_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def locked(service: str, name: str) -> str:
        raise RuntimeError("locked\nfor good")

    monkeypatch.setitem(sys.modules, "keyring", SimpleNamespace(get_password=locked))
    assert key(URL) == ""
    assert capsys.readouterr().err == f"boffin: the keyring can't be asked (RuntimeError); set {KEY} instead\n"
