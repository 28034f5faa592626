"""Who may ask a server: keys and their rates, reloaded; other machines; web pages; TLS."""

from __future__ import annotations

import ssl
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import trustme

from appliance.keys import add_key, find_key, load_keys, revoke_key
from appliance.server.app import create_app
from appliance.server.gate import Keyring
from appliance.server.serving import Serving
from appliance.settings import Access, ApplianceSettings, Limits
from bundle.errors import SettingsError
from bundle.manifest import load_manifest


def _app(bundle: Path, settings: ApplianceSettings, keys: Path | None = None) -> httpx.AsyncClient:
    """A client of an application without a loaded expert."""
    manifest = load_manifest(bundle)
    serving = Serving(manifest, manifest.model(), settings)
    app = create_app(serving, Keyring(keys) if keys else None)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1")


def _get(client: httpx.AsyncClient, path: str = "/v1/models", **headers: str) -> httpx.Response:
    import asyncio

    return asyncio.run(client.get(path, headers=headers))


def test_a_keys_file_holds_digests_and_is_this_users_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    secret = add_key(path, "alice", 60)
    other = add_key(path, "bob")
    assert secret != other
    assert secret not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    keys = load_keys(path)
    assert [(key.name, key.requests_a_minute) for key in keys] == [("alice", 60), ("bob", 0)]
    assert find_key(keys, secret) == keys[0]
    assert find_key(keys, secret + "x") is None
    assert find_key(keys, "") is None
    revoke_key(path, "alice")
    assert find_key(load_keys(path), secret) is None


@pytest.mark.parametrize("text", ["", "{}", '[{"name": "a"}]', "[1]"])
def test_what_is_no_keys_file_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.json"
    with pytest.raises(SettingsError, match="no such file"):
        load_keys(path)
    path.write_text(text)
    with pytest.raises(SettingsError, match="not a file of API keys"):
        load_keys(path)


def test_names_are_taken_once_and_must_be_names(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    add_key(path, "alice")
    with pytest.raises(SettingsError, match="already"):
        add_key(path, "alice")
    with pytest.raises(SettingsError, match="can't be a key's name"):
        add_key(path, "a b")
    with pytest.raises(SettingsError, match="no key 'carol'; it has alice"):
        revoke_key(path, "carol")


def test_only_who_has_a_key_passes(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    secret = add_key(path, "alice")
    client = _app(bundle, ApplianceSettings(access=Access(keys=path)), path)
    refused = _get(client)
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert refused.json()["error"]["code"] == "invalid_api_key"
    for wrong in ("Bearer", f"Basic {secret}", f"Bearer {secret}x", secret):
        assert _get(client, authorization=wrong).status_code == 401
    assert _get(client, authorization=f"bearer {secret}").status_code == 200
    for route in ("/metrics", "/props", "/openapi.json", "/api/tags", "/nothing"):
        assert _get(client, route).status_code == 401
    assert set(_get(client, "/health").json()) == {"status"}
    assert "bundle" in _get(client, "/health", authorization=f"Bearer {secret}").json()


def test_a_key_may_ask_only_so_often(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    slow, fast = add_key(path, "slow", 2), add_key(path, "fast")
    client = _app(bundle, ApplianceSettings(access=Access(keys=path)), path)
    codes = [_get(client, authorization=f"Bearer {slow}").status_code for _ in range(3)]
    assert codes == [200, 200, 429]
    refused = _get(client, authorization=f"Bearer {slow}")
    assert 1 <= int(refused.headers["retry-after"]) <= 31
    assert [_get(client, authorization=f"Bearer {fast}").status_code for _ in range(5)] == [200] * 5


def test_keys_are_read_again_and_stay_when_the_file_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    first = add_key(path, "first")
    ring = Keyring(path)
    second = add_key(path, "second")
    assert ring.find(f"Bearer {second}") is None
    ring.reload()
    assert ring.find(f"Bearer {second}") is not None
    path.write_text("broken")
    ring.reload()
    assert ring.find(f"Bearer {first}") is not None


def test_listed_hosts_and_origins_are_taken_and_no_others(bundle: Path) -> None:
    access = Access(hosts=("expert.example",), origins=("https://docs.example",))
    client = _app(bundle, ApplianceSettings(access=access))
    assert _get(client, host="expert.example:8639").status_code == 200
    assert _get(client, host="other.example").status_code == 403
    assert _get(client, host="192.0.2.1").status_code == 403
    page = _get(client, origin="https://docs.example")
    assert page.headers["access-control-allow-origin"] == "https://docs.example"
    assert _get(client, origin="https://evil.example").status_code == 403
    plain = _get(_app(bundle, ApplianceSettings()), origin="http://127.0.0.1:3000")
    assert "access-control-allow-origin" not in plain.headers


def test_a_pages_browser_may_ask_first_without_a_key(bundle: Path, tmp_path: Path) -> None:
    import asyncio

    path = tmp_path / "keys.json"
    add_key(path, "page")
    client = _app(bundle, ApplianceSettings(access=Access(keys=path, origins=("https://docs.example",))), path)
    headers = {
        "Origin": "https://docs.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    reply = asyncio.run(client.options("/v1/chat/completions", headers=headers))
    assert reply.status_code == 200
    assert "authorization" in reply.headers["access-control-allow-headers"].lower()


def test_where_others_may_call_addresses_are_names_too(bundle: Path) -> None:
    client = _app(bundle, ApplianceSettings(host="0.0.0.0", access=Access(open=True)))
    assert _get(client, host="192.0.2.1:8639").status_code == 200
    assert _get(client, host="[2001:db8::1]:8639").status_code == 200
    assert _get(client, host="evil.example").status_code == 403


def test_ids_are_given_and_taken(bundle: Path) -> None:
    client = _app(bundle, ApplianceSettings())
    assert _get(client, **{"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert len(_get(client, **{"x-request-id": "no\ttabs"}).headers["x-request-id"]) == 32


def test_a_body_has_its_bound(bundle: Path) -> None:
    import asyncio

    client = _app(bundle, ApplianceSettings(limits=Limits(body_bytes=1000)))
    assert asyncio.run(client.post("/v1/responses", content=b" " * 1001)).status_code == 413


@contextmanager
def _serving(bundle: Path, settings: ApplianceSettings, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-P", "-m", "appliance.server", "--bundle", str(bundle), "--port=0"]
    command += [f"--cache-dir={tmp_path}", f"--settings={settings.model_dump_json()}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert " at " in line, process.communicate()[1]
            yield process, line.split()[-1]
        finally:
            process.kill()


def test_a_server_for_others_speaks_https_and_reads_its_keys_again(bundle: Path, tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    pem, keys = tmp_path / "server.pem", tmp_path / "keys.json"
    certificate.private_key_and_cert_chain_pem.write_to_path(pem)
    add_key(keys, "first")
    access = Access(keys=keys, tls_certificate=pem)
    settings = ApplianceSettings(host="0.0.0.0", context=512, access=access)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with _serving(bundle, settings, tmp_path) as (process, address):
        assert address.startswith("https://0.0.0.0:")
        url = address.replace("0.0.0.0", "127.0.0.1")
        with httpx.Client(base_url=url, verify=context, trust_env=False) as client:
            assert client.get("/v1/models").status_code == 401  # it has read its keys
            second = add_key(keys, "second")
            asked = {"Authorization": f"Bearer {second}"}
            assert client.get("/v1/models", headers=asked).status_code == 401
            process.send_signal(1)
            deadline = time.monotonic() + 20
            while client.get("/v1/models", headers=asked).status_code != 200:
                assert time.monotonic() < deadline
                time.sleep(0.02)


def test_other_machines_are_served_only_with_keys_or_on_purpose(bundle: Path, tmp_path: Path) -> None:
    with _serving(bundle, ApplianceSettings(host="0.0.0.0", access=Access(open=True)), tmp_path) as (_process, url):
        assert url.startswith("http://0.0.0.0:")
    for access, said in (
        (Access(keys=tmp_path / "none.json"), "boffin keys add"),
        (Access(tls_certificate=tmp_path / "none.pem"), "can't be used as a certificate"),
    ):
        with pytest.raises(AssertionError, match=said), _serving(bundle, ApplianceSettings(access=access), tmp_path):
            pass
