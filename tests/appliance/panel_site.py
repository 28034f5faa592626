"""What the panel's tests stand on: a real Sphinx site of requests' documentation, other pages, and a stand-in expert.

The stand-in serves the panel's real files and says what it is told to say, however hostile.
"""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path

from appliance.server.panel import script, sheet

ROOT = Path(__file__).resolve().parents[2]
CSP = (
    "default-src 'none'; script-src {0}; style-src {0}; connect-src {0}; require-trusted-types-for 'script'; "
    "base-uri 'none'; form-action 'none'"
)
"""A strict policy, which has all that the panel needs."""


def build_site(folder: Path, url: str, key: str) -> Path:
    """Requests' documentation, built by the real Sphinx out of the installed package, with the panel."""
    source = folder / "source"
    source.mkdir()
    (source / "conf.py").write_text(
        'project = "Requests"\nextensions = ["sphinx.ext.autodoc", "boffin_sphinx"]\n'
        f"boffin_url = {url!r}\nboffin_key = {key!r}\nboffin_title = 'Ask about requests'\n"
    )
    (source / "index.rst").write_text(
        "Requests\n========\n\n.. automodule:: requests\n\nAPI\n---\n\n.. automodule:: requests.api\n   :members:\n\n"
        ".. autoclass:: requests.Session\n   :members:\n   :inherited-members:\n"
    )
    out = folder / "html"
    # -W: a warning of Sphinx about the extension would be an error; the docstrings are not ours.
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", "-E", str(source), str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


class _Pages(http.server.SimpleHTTPRequestHandler):
    policy = ""

    def end_headers(self) -> None:
        if self.policy:
            self.send_header("Content-Security-Policy", self.policy)
        super().end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def pages(folder: Path, policy: str = "") -> Iterator[str]:
    """Serve a folder's pages, with a content security policy if one is given; gives their origin."""
    handler = type("Pages", (_Pages,), {"policy": policy})
    with _served(partial(handler, directory=str(folder))) as origin:
        yield origin


@contextmanager
def _served(handler: Callable[..., http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class StandIn:
    """An expert that says what it is told to; `origin` is its address while `serving` lasts."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Be as new."""
        self.pieces: list[str] = ["Good."]
        """What it says next, piece by piece."""
        self.sources: list[dict[str, object]] = []
        """What it read, which its first event tells."""
        self.told: list[dict[str, object]] = []
        """Choices that come after its pieces: checks, annotations."""
        self.status = HTTPStatus.OK
        """Anything else is a refusal."""
        self.broken = False
        """Whether its answers break off."""
        self.go_on = threading.Event()
        """Set for an answer to go on after its first piece."""
        self.go_on.set()
        self.asked: list[dict[str, object]] = []
        """The bodies that came."""

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Serve; gives the address."""
        with _served(partial(_Answers, self)) as origin:
            yield origin


class _Answers(http.server.BaseHTTPRequestHandler):
    def __init__(self, stand_in: StandIn, *rest: object) -> None:
        self._stand_in = stand_in
        super().__init__(*rest)  # type: ignore[arg-type]

    def do_OPTIONS(self) -> None:
        self._head(HTTPStatus.OK, "text/plain", {"Access-Control-Allow-Headers": "*"})

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        kind, body = {
            "/panel.js": ("text/javascript", script().text),
            "/panel.css": ("text/css", sheet().text),
            "/health": ("application/json", b'{"status": "ok"}'),
        }[path]
        self._head(HTTPStatus.OK, kind)
        self.wfile.write(body)

    def do_POST(self) -> None:
        expert = self._stand_in
        expert.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        if expert.status != HTTPStatus.OK:
            more = {"Retry-After": "7", "Access-Control-Expose-Headers": "Retry-After"}
            self._head(expert.status, "application/json", more)
            self.wfile.write(b'{"error": {"message": "no such thing"}}')
            return
        self._head(HTTPStatus.OK, "text/event-stream")
        if expert.sources:
            self._event(json.dumps({"choices": [{"delta": {"content": ""}}], "sources": expert.sources}))
        for piece in expert.pieces:
            self._event(json.dumps({"choices": [{"delta": {"content": piece}}]}))
            expert.go_on.wait(60)
        for choice in expert.told:
            self._event(json.dumps({"choices": [choice]}))
        if not expert.broken:
            self._event("[DONE]")

    def _event(self, data: str) -> None:
        try:
            self.wfile.write(f"data: {data}\n\n".encode())
            self.wfile.flush()
        except OSError:  # whoever asked has gone
            self.close_connection = True

    def _head(self, status: HTTPStatus, kind: str, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Access-Control-Allow-Origin": "*", **(more or {})}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass
