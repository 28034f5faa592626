"""The panel from end to end: requests' documentation, built by Sphinx, asks the real pocket model with a public key."""

from __future__ import annotations

import asyncio
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from appliance.keys import add_key, find_key, load_keys
from appliance.server.app import create_app
from appliance.server.gate import Keyring
from appliance.server.serving import Serving
from appliance.settings import Access, ApplianceSettings, Sampling
from boffin_sphinx import script_address
from bundle.errors import SettingsError
from bundle.manifest import load_manifest

from .browser import Browser, installed
from .panel_site import build_site, pages
from .test_panel import LAST, ROOT, ask, html, opened, state

DOCS = "https://docs.example"


def _app(bundle: Path, keys: Path) -> httpx.AsyncClient:
    """A client of an application without a loaded expert."""
    manifest = load_manifest(bundle)
    serving = Serving(manifest, manifest.model(), ApplianceSettings(access=Access(keys=keys)))
    transport = httpx.ASGITransport(create_app(serving, Keyring(keys)))
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")


def _chat(client: httpx.AsyncClient, path: str = "/v1/chat/completions", **headers: str) -> httpx.Response:
    body = {"messages": [{"role": "user", "content": "Hello"}]}
    return asyncio.run(client.post(path, json=body, headers=headers))


def test_a_public_key_does_for_chats_from_its_pages_alone(bundle: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    bearer = f"Bearer {add_key(keys, 'docs', 3, [f'{DOCS}/'])}"
    client = _app(bundle, keys)
    # 503: it has passed, and only the expert isn't loaded here.
    passed = _chat(client, authorization=bearer, origin=DOCS)
    assert (passed.status_code, passed.headers["access-control-allow-origin"]) == (503, DOCS)
    for headers in ({}, {"origin": "http://127.0.0.1:1"}):
        refused = _chat(client, authorization=bearer, **headers)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "key_not_for_this")
    for path in ("/v1/completions", "/api/chat", "/tokenize"):
        assert _chat(client, path, authorization=bearer, origin=DOCS).status_code == 403
    for path in ("/health", "/metrics", "/v1/models"):
        got = asyncio.run(client.get(path, headers={"authorization": bearer, "origin": DOCS}))
        assert got.status_code == 403
    assert _chat(client, authorization=bearer, origin="https://evil.example").status_code == 403
    codes = [_chat(client, authorization=bearer, origin=DOCS).status_code for _ in range(3)]
    assert codes == [503, 503, 429]


def test_what_is_no_origin_and_a_public_key_without_a_rate_are_refused(tmp_path: Path) -> None:
    for origin in ("docs.example", "https://docs.example/a", "*", "null", "https://a b"):
        with pytest.raises(SettingsError, match="no origin of pages"):
            add_key(tmp_path / "keys.json", "docs", 60, [origin])
    with pytest.raises(SettingsError, match="--rate"):
        add_key(tmp_path / "keys.json", "docs", 0, [DOCS])


def test_a_public_key_is_made_and_listed_on_the_command_line(tmp_path: Path) -> None:
    def boffin(*arguments: str) -> str:
        command = [sys.executable, "-m", "boffin", "keys", *arguments, "--file", str(tmp_path / "keys.json")]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    secret = boffin("add", "docs", "--rate", "60", "--origin", f"{DOCS}/", "--origin", "http://127.0.0.1:8000").strip()
    (key,) = load_keys(tmp_path / "keys.json")
    assert find_key([key], secret) == key
    assert key.origins == (DOCS, "http://127.0.0.1:8000")
    assert f"for pages of {DOCS}, http://127.0.0.1:8000" in boffin("list")


def test_the_extension_for_sphinx_wants_a_servers_address() -> None:
    errors = pytest.importorskip("sphinx.errors")
    assert script_address("https://a.example/expert/") == "https://a.example/expert/panel.js"
    told = script_address("https://a.example", "boffin-x", "Ask & see")
    assert told == "https://a.example/panel.js?key=boffin-x&title=Ask+%26+see"
    for wrong in ("", "a.example", "javascript:alert(1)", "https://a.example?x=1"):
        with pytest.raises(errors.ConfigError, match="boffin_url"):
            script_address(wrong)


@pytest.mark.parametrize(("path", "kind"), [("/panel.js", "text/javascript"), ("/panel.css", "text/css")])
def test_the_panels_files_need_no_key(bundle: Path, tmp_path: Path, path: str, kind: str) -> None:
    keys = tmp_path / "keys.json"
    add_key(keys, "alice")
    client = _app(bundle, keys)
    packed = asyncio.run(client.get(path))
    assert packed.headers["content-type"] == f"{kind}; charset=utf-8"
    assert packed.headers["content-encoding"] == "gzip"
    plain = asyncio.run(client.get(path, headers={"accept-encoding": "identity"}))
    assert plain.text == packed.text
    assert asyncio.run(client.get(path, headers={"if-none-match": packed.headers["etag"]})).status_code == 304


@dataclass
class Live:
    """Built documentation, and the server that it asks."""

    url: str
    server: subprocess.Popen[str]


@pytest.fixture(scope="module")
def live(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    if importlib.util.find_spec("sphinx") is None or not installed():
        pytest.skip("there is no Sphinx or no Chromium")
    folder = tmp_path_factory.mktemp("live")
    (folder / "html").mkdir()
    with ExitStack() as stack:
        url = stack.enter_context(pages(folder / "html"))
        keys = folder / "keys.json"
        key = add_key(keys, "docs", 60, [url])
        sampling = Sampling(temperature=0, max_tokens=80)
        settings = ApplianceSettings(context=1024, gpu_layers=0, access=Access(keys=keys), sampling=sampling)
        command = [sys.executable, "-P", "-m", "appliance.server", "--bundle", str(bundle), "--port=0"]
        command += [f"--cache-dir={folder}", f"--settings={settings.model_dump_json()}"]
        server = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        stack.callback(server.terminate)
        assert server.stdout is not None
        build_site(folder, server.stdout.readline().split()[-1], key)
        yield Live(url, server)


def test_requests_documentation_asks_the_real_expert_until_it_is_away(live: Live, tmp_path: Path) -> None:
    with Browser(tmp_path / "profile") as browser:
        page = browser.open(f"{live.url}/index.html")
        assert "Session" in str(page.run("document.querySelector('.body').textContent"))
        opened(page)
        assert page.run(f"{ROOT}.querySelector('.opener').textContent") == "Ask about requests"
        page.wait(
            "fetch(document.querySelector('script[src*=panel]').src.replace(/panel.js.*/, 'health')).then(it => it.ok)"
        )
        ask(page, "How do I get a page with requests?")
        assert state(page) == ""
        assert len(html(page)) > 50
        assert page.run(f"{LAST}.textContent.length") > 20
        live.server.terminate()
        live.server.wait()
        ask(page, "And now?")
        assert state(page) == "The expert is away. The pages are still here."
