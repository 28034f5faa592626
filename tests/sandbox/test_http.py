"""The HTTP fixture: httpbin under its own name, over both protocols, and nothing else of a network."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator

import pytest

import sandbox.bubblewrap
import sandbox.containment
import sandbox.fixture
from sandbox import HttpFixture, Limits, Outcome, Pool, SandboxError, Warm, run_code

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux's containment")
pytest.importorskip("httpbin")
pytest.importorskip("requests")

CALLS = {
    "get": (
        "r = requests.get('https://httpbin.org/get', params={'q': 'é'})\n"
        "print(r.status_code, r.json()['url'], r.json()['args'], r.json()['origin'], r.headers['Server'])",
        "200 https://httpbin.org/get?q=é {'q': 'é'} 127.0.0.1 httpbin\n",
    ),
    "plain": ("print(requests.get('http://www.httpbin.org/get').json()['url'])", "http://www.httpbin.org/get\n"),
    "post": ("print(requests.post('https://httpbin.org/post', json={'a': [1]}).json()['json'])", "{'a': [1]}\n"),
    "form": ("print(requests.post('http://httpbin.org/post', data={'a': 'b'}).json()['form'])", "{'a': 'b'}\n"),
    "upload": (
        "print(requests.post('https://httpbin.org/post', files={'f': ('n', b'text')}).json()['files'])",
        "{'f': 'text'}\n",
    ),
    "chunks": (
        "print(requests.put('https://httpbin.org/put', data=(part for part in [b'a', b'b'])).json()['data'])",
        "ab\n",
    ),
    "verbs": (
        "print([getattr(requests, v)(f'https://httpbin.org/{v}').ok for v in ('put', 'patch', 'delete')])",
        "[True, True, True]\n",
    ),
    "delay": (
        "try:\n    requests.get('https://httpbin.org/delay/5', timeout=0.2)\n"
        "except requests.exceptions.ReadTimeout:\n    print('late')",
        "late\n",
    ),
    "statuses": (
        "print([requests.get(f'http://httpbin.org/status/{code}').status_code for code in (200, 204, 404, 418, 503)])",
        "[200, 204, 404, 418, 503]\n",
    ),
    "raise-for-status": (
        "try:\n    requests.get('https://httpbin.org/status/500').raise_for_status()\n"
        "except requests.HTTPError as error:\n    print(error)",
        "500 Server Error: INTERNAL SERVER ERROR for url: https://httpbin.org/status/500\n",
    ),
    "redirects": (
        "r = requests.get('https://httpbin.org/absolute-redirect/2')\nprint(len(r.history), r.url)",
        "2 https://httpbin.org/get\n",
    ),
    "between-protocols": (
        "r = requests.get('http://httpbin.org/redirect-to?url=https://httpbin.org/anything')\nprint(r.url)",
        "https://httpbin.org/anything\n",
    ),
    "stream": (
        "with requests.get('https://httpbin.org/stream/5', stream=True) as r:\n"
        "    print(sum(1 for line in r.iter_lines()))",
        "5\n",
    ),
    "stream-left": (
        "r = requests.get('https://httpbin.org/stream-bytes/100000', stream=True)\n"
        "print(len(next(r.iter_content(10))))",
        "10\n",
    ),
    "drip": ("print(requests.get('http://httpbin.org/drip?duration=0.1&numbytes=4').text)", "****\n"),
    "basic-auth": (
        "print(requests.get('https://httpbin.org/basic-auth/u/p', auth=('u', 'p')).json()['user'],\n"
        "      requests.get('https://httpbin.org/basic-auth/u/p', auth=('u', 'x')).status_code)",
        "u 401\n",
    ),
    "digest-auth": (
        "from requests.auth import HTTPDigestAuth\n"
        "print(requests.get('https://httpbin.org/digest-auth/auth/u/p', auth=HTTPDigestAuth('u', 'p')).ok)",
        "True\n",
    ),
    "cookies": (
        "s = requests.Session()\ns.get('https://httpbin.org/cookies/set/k/v')\n"
        "print(s.get('https://httpbin.org/cookies').json())",
        "{'cookies': {'k': 'v'}}\n",
    ),
    "gzip": ("print(requests.get('https://httpbin.org/gzip').json()['gzipped'])", "True\n"),
    "urllib": (
        "import urllib.request\nwith urllib.request.urlopen('https://httpbin.org/get') as r:\n    print(r.status)",
        "200\n",
    ),
    "threads": (
        "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(8) as e:\n"
        "    print({r.status_code for r in e.map(requests.get, ['http://httpbin.org/get'] * 24)})",
        "{200}\n",
    ),
}
REFUSED = {
    "other-name": "requests.get('https://example.com')",
    "other-address": "import socket\nsocket.create_connection(('192.0.2.1', PORT), timeout=2)",
    "other-port": "import socket\nsocket.create_connection(('127.0.0.1', PORT))",
    "other-port-6": "import socket\nsocket.create_connection(('::1', PORT))",
    "datagram": "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "unix": "import socket\nsocket.socket(socket.AF_UNIX)",
    "netlink": "import socket\nsocket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "multipath": "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)",
    "fast-open": (
        "import socket\ns = socket.socket()\n"
        "s.sendto(b'GET / HTTP/1.0\\r\\n\\r\\n', 0x20000000, ('127.0.0.1', PORT))\nprint(s.recv(9))"
    ),
    "server": "import socket\nsocket.create_server(('127.0.0.1', 0))",
}
BEFORE = "import requests\n"


@pytest.fixture(scope="module", params=["bubblewrap", "Landlock"])
def http(request: pytest.FixtureRequest) -> Iterator[HttpFixture]:
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "Landlock":
            patch.setattr(sandbox.bubblewrap, "failure", lambda python: "bubblewrap is switched off")
            if sandbox.containment.landlock_abi() < 4:
                pytest.skip("this kernel's Landlock knows no ports")
        elif missing := sandbox.bubblewrap.failure(sys.executable):
            pytest.skip(missing)
        with HttpFixture() as fixture:
            yield fixture


@pytest.fixture(scope="module")
def warm(http: HttpFixture) -> Iterator[Warm]:
    with Warm(["requests", "urllib.request"], http=http) as started:
        yield started


@pytest.mark.parametrize("name", CALLS)
def test_calls_are_answered(warm: Warm, name: str) -> None:
    code, printed = CALLS[name]
    outcome = warm.run(BEFORE + code)
    assert (outcome.reason, outcome.stdout) == ("ok", printed), outcome


def test_a_fresh_interpreter_is_answered_alike(http: HttpFixture) -> None:
    outcome = run_code(BEFORE + "\n".join(code for code, _ in CALLS.values()), Limits(seconds=30), http=http)
    assert outcome.stdout == "".join(printed for _, printed in CALLS.values()), outcome


def test_a_late_answer_is_an_exception_of_the_example(warm: Warm) -> None:
    outcome = warm.run(BEFORE + "requests.get('https://httpbin.org/delay/5', timeout=0.2)")
    assert outcome.reason == "exception"
    assert "ReadTimeout" in outcome.stderr


@pytest.mark.parametrize("name", REFUSED)
def test_nothing_else_is_reached(warm: Warm, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        outcome = warm.run(BEFORE + REFUSED[name].replace("PORT", str(server.getsockname()[1])))
        assert outcome.reason == "network", outcome
        assert outcome.seconds < 2
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_without_the_fixture_its_names_are_refused_too() -> None:
    with Warm(["requests"]) as warm:
        assert warm.run(BEFORE + "requests.get('https://httpbin.org/get')").reason == "network"


def test_it_survives_rude_examples(warm: Warm) -> None:
    silent = (
        "import socket\nkept = [socket.create_connection(('httpbin.org', 443)) for _ in range(50)]\nprint(len(kept))"
    )
    assert warm.run(silent).stdout == "50\n"
    garbage = (
        "import socket\nfor _ in range(20):\n    socket.create_connection(('httpbin.org', 443)).sendall(b'x' * 999)"
    )
    assert warm.run(garbage).reason == "ok"
    assert warm.run(BEFORE + "requests.get('https://httpbin.org/delay/10')", Limits(seconds=0.5)).reason == "timeout"
    assert warm.run(BEFORE + "print(requests.get('https://httpbin.org/get').status_code)").stdout == "200\n"


def test_it_serves_several_interpreters() -> None:
    def check(outcome: Outcome) -> bool:
        return (outcome.reason, outcome.stdout) == ("ok", "200\n")

    code = BEFORE + "print(requests.get('https://httpbin.org/get').status_code)"
    with Pool(["requests"], workers=2, http=True) as pool:
        assert all(check(outcome) for _, outcome in pool.run_all((number, code) for number in range(10)))


def test_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SandboxError, match="fixture isn't running"), Warm(http=HttpFixture()):
        pass
    monkeypatch.setattr(sandbox.containment, "landlock_abi", lambda: 3)
    monkeypatch.setattr(sandbox.bubblewrap, "failure", lambda python: "bubblewrap isn't installed")
    with pytest.raises(SandboxError, match=r"can't grant one port.*bubblewrap isn't installed"), HttpFixture():
        pass
    monkeypatch.setattr(sandbox.fixture, "_NEEDS", ("no_such_server",))
    with pytest.raises(SandboxError, match="needs no_such_server; install"), HttpFixture():
        pass
