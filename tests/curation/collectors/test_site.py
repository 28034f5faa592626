from __future__ import annotations

import gzip
import io
import json
import os
import signal
import subprocess
import sys
import threading
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bundle.errors import SourceError
from curation.collectors import download, web
from curation.collectors.readthedocs import ReadTheDocsCollector
from curation.collectors.sphinx import SphinxCollector
from curation.entries import Dropped, Entry
from curation.settings import ReadTheDocsSource, SphinxSource

PAGES = Path(__file__).with_name("pages")
DOCS = "/en/stable/"
Answer = Callable[[BaseHTTPRequestHandler], None]


class Host:
    """A site on the loopback interface that notes what it is asked, and fails as it is told."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.first: dict[str, list[Answer]] = {}
        """Answers that a path gives before its file."""
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.sent = 0
        """Bytes of the body sent last."""
        host = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                host.asked.append((self.path, dict(self.headers)))
                answers = host.first.get(self.path)
                if answers:
                    answers.pop(0)(self)
                else:
                    host.file(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # killed clients are meant
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def file(self, handler: BaseHTTPRequestHandler) -> None:
        content = self.files.get(handler.path)
        if content is None:
            return respond(404)(handler)
        tag = f'"{hash(content)}"'
        if handler.headers.get("If-None-Match") == tag:
            return respond(304)(handler)
        asked = handler.headers.get("Range", "")
        if asked and handler.headers.get("If-Range") == tag:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            last = len(content) - 1
            headers = {"Content-Range": f"bytes {start}-{last}/{len(content)}", "ETag": tag}
            return respond(206, content[start:], headers)(handler)
        return respond(200, content, {"ETag": tag})(handler)

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]


def respond(status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def break_off(body: bytes, etag: str = "") -> Answer:
    """The first half of a body, and the end of the connection."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        if etag:
            handler.send_header("ETag", etag)
        handler.end_headers()
        handler.wfile.write(body[: len(body) // 2])
        handler.close_connection = True

    return answer


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(web, "sleep", clock.sleep)
    monkeypatch.setattr(web, "monotonic", lambda: clock.now)
    return clock


@pytest.fixture
def host() -> Iterator[Host]:
    host = Host()
    host.files = {DOCS + path.name: path.read_bytes() for path in (PAGES / "furo").iterdir()}
    yield host
    host.close()


def collect(address: str, cache: Path, **settings: object) -> list[Entry | Dropped]:
    source = SphinxSource.model_validate({"path": address, "packages": ["weir"], **settings})
    return list(SphinxCollector(source, cache.parent, cache).collect())


def contents(entries: list[Entry | Dropped]) -> list[str]:
    """The entries without where they are from, sorted."""
    return sorted(one.model_dump_json(exclude={"origin"}) for one in entries)


@pytest.fixture(scope="module")
def expected() -> list[str]:
    return contents(collect(str(PAGES / "furo"), Path()))


def dropped(entries: list[Entry | Dropped]) -> dict[str, str]:
    return {one.where.rpartition("/")[2]: one.code for one in entries if isinstance(one, Dropped)}


@pytest.mark.parametrize("start", [DOCS, DOCS.rstrip("/"), DOCS + "index.html"])
def test_a_site_gives_what_its_folder_gives(start: str, host: Host, tmp_path: Path, expected: list[str]) -> None:
    entries = collect(host.url + start, tmp_path)
    assert contents(entries) == expected
    assert all(one.origin.url.startswith(host.url + DOCS) for one in entries if not isinstance(one, Dropped))
    asked = Counter(host.paths())
    assert set(asked) == set(host.files) | {"/robots.txt"} and set(asked.values()) == {1}
    assert all(headers["User-Agent"].startswith("boffin/") for _, headers in host.asked)


def test_it_keeps_to_the_rate(host: Host, tmp_path: Path, clock: Clock) -> None:
    before = clock.now
    collect(host.url + DOCS, tmp_path, requests_per_second=4)
    assert clock.now - before == pytest.approx((len(host.asked) - 1) / 4)


def test_failures_are_tried_again(host: Host, tmp_path: Path, clock: Clock, expected: list[str]) -> None:
    host.first[DOCS + "faq.html"] = [respond(500), respond(502)]
    host.first[DOCS + "tutorial.html"] = [respond(429, headers={"Retry-After": "37"})]
    host.first[DOCS + "objects.inv"] = [respond(503)]
    host.first[DOCS + "reference.html"] = [break_off(host.files[DOCS + "reference.html"])]
    assert contents(collect(host.url + DOCS, tmp_path)) == expected
    assert any(36 < seconds <= 37 for seconds in clock.slept)
    asked = Counter(host.paths())
    assert (asked[DOCS + "faq.html"], asked[DOCS + "tutorial.html"], asked[DOCS + "reference.html"]) == (3, 2, 2)


def test_a_page_that_always_fails_costs_that_page(host: Host, tmp_path: Path) -> None:
    host.first[DOCS + "faq.html"] = [respond(500)] * 50
    del host.files[DOCS + "tutorial.html"]
    assert dropped(collect(host.url + DOCS, tmp_path)) == {"faq.html": "http-error", "tutorial.html": "not-found"}


def test_a_host_that_asks_for_a_long_pause_ends_the_run(host: Host, tmp_path: Path, clock: Clock) -> None:
    host.first["/robots.txt"] = [respond(503, headers={"Retry-After": "86400"})]
    with pytest.raises(SourceError, match="left alone for 86400 s"):
        collect(host.url + DOCS, tmp_path)
    assert clock.slept == []


def test_redirects_stay_on_the_host(host: Host, tmp_path: Path, expected: list[str]) -> None:
    other = Host()
    host.files["/new/faq.html"] = host.files[DOCS + "faq.html"]
    host.first[DOCS + "faq.html"] = [respond(301, headers={"Location": "/new/faq.html"})]
    host.first[DOCS + "tutorial.html"] = [respond(302, headers={"Location": other.url + "/tutorial.html"})]
    host.first[DOCS + "reference.html"] = [respond(302, headers={"Location": DOCS + "reference.html"})] * 20
    entries = collect(host.url + DOCS, tmp_path)
    other.close()
    assert dropped(entries) == {"tutorial.html": "redirected-away", "reference.html": "http-error"}
    assert "/new/faq.html" in host.paths() and other.asked == []
    assert len([one for one in contents(entries) if one in expected and '"question"' in one]) == 2


def test_a_redirected_start(host: Host, tmp_path: Path, expected: list[str]) -> None:
    host.first["/objects.inv"] = [respond(302, headers={"Location": DOCS + "objects.inv"})]
    assert contents(collect(host.url, tmp_path)) == expected


def test_a_page_of_100_mb_is_left_before_its_end(host: Host, tmp_path: Path) -> None:
    done = threading.Event()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(100 * 2**20))
        handler.end_headers()
        host.sent = 0
        try:
            for _ in range(1600):
                handler.wfile.write(b" " * 2**16)
                host.sent += 2**16
        except OSError:
            handler.close_connection = True
        done.set()

    host.first[DOCS + "faq.html"] = [answer]
    assert dropped(collect(host.url + DOCS, tmp_path)) == {"faq.html": "too-large"}
    assert done.wait(10) and host.sent < 30 * 2**20
    assert sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file()) < 2**20


def test_a_page_that_unpacks_without_end(host: Host, tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(100 * 2**20), compresslevel=1)
    host.first[DOCS + "faq.html"] = [respond(200, bomb, {"Content-Encoding": "gzip"})]
    host.first[DOCS + "tutorial.html"] = [respond(200, b"x", {"Content-Encoding": "br"})]
    packed = gzip.compress(host.files[DOCS + "reference.html"])
    host.first[DOCS + "reference.html"] = [respond(200, packed, {"Content-Encoding": "gzip"})]
    entries = collect(host.url + DOCS, tmp_path)
    assert dropped(entries) == {"faq.html": "too-large", "tutorial.html": "http-error"}
    assert any('"api"' in one for one in contents(entries))


def test_robots_txt_is_obeyed(host: Host, tmp_path: Path, clock: Clock) -> None:
    rules = f"User-agent: *\nDisallow: {DOCS}faq.html\nCrawl-delay: 9\n\nUser-agent: other\nDisallow: /\n"
    host.files["/robots.txt"] = rules.encode()
    assert dropped(collect(host.url + DOCS, tmp_path)) == {"faq.html": "forbidden-by-robots"}
    assert DOCS + "faq.html" not in host.paths()
    assert sum(seconds > 8 for seconds in clock.slept) >= 3
    host.files["/robots.txt"] = b"User-agent: boffin\nDisallow: /\n"
    with pytest.raises(SourceError, match=r"robots\.txt doesn't allow"):
        collect(host.url + DOCS, tmp_path)


def test_without_robots_txt_being_had_nothing_is_read(host: Host, tmp_path: Path) -> None:
    host.first["/robots.txt"] = [respond(500)] * 50
    with pytest.raises(SourceError, match=r"robots\.txt: status 500"):
        collect(host.url + DOCS, tmp_path)
    assert set(host.paths()) == {"/robots.txt"}


def test_a_second_run_asks_whether_pages_have_changed(host: Host, tmp_path: Path, expected: list[str]) -> None:
    collect(host.url + DOCS, tmp_path)
    host.asked.clear()
    host.files[DOCS + "faq.html"] = host.files[DOCS + "faq.html"].replace(b"negative", b"positive")
    changed = contents(collect(host.url + DOCS, tmp_path))
    assert changed == sorted(one.replace("negative", "positive") for one in expected)
    conditional = [path for path, headers in host.asked if "If-None-Match" in headers]
    assert sorted(conditional) == sorted(host.files)


_CHILD = """
import sys
from pathlib import Path
from curation.collectors.sphinx import SphinxCollector
from curation.settings import SphinxSource
source = SphinxSource(path=sys.argv[1], packages=("weir",), requests_per_second=50)
for entry in SphinxCollector(source, Path(), Path(sys.argv[2])).collect():
    pass
"""


def test_a_killed_run_goes_on_without_asking_twice(host: Host, tmp_path: Path, expected: list[str]) -> None:
    child = subprocess.Popen([sys.executable, "-c", _CHILD, host.url + DOCS, str(tmp_path)])

    def kill(handler: BaseHTTPRequestHandler) -> None:
        os.kill(child.pid, signal.SIGKILL)
        handler.close_connection = True

    host.first[DOCS + "tutorial.html"] = [kill]
    assert child.wait(60) == -signal.SIGKILL
    had = set(host.paths()) - {DOCS + "tutorial.html", "/robots.txt"}
    assert DOCS + "objects.inv" in had and len(had) == 4
    host.asked.clear()
    assert contents(collect(host.url + DOCS, tmp_path)) == expected
    assert had.isdisjoint(host.paths())
    assert set(host.paths()) == set(host.files) - had | {"/robots.txt"}
    host.asked.clear()
    collect(host.url + DOCS, tmp_path)  # that run has ended, so the next one asks
    assert set(host.paths()) >= set(host.files)


def test_a_run_that_began_long_ago_begins_anew(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("curation.collectors.site._FAULTS", 1)
    host.first[DOCS + "tutorial.html"] = [respond(503)] * 5
    with pytest.raises(SourceError):
        collect(host.url + DOCS, tmp_path)
    (run,) = tmp_path.rglob("run")
    os.utime(run, (0, 0))
    host.asked.clear()
    collect(host.url + DOCS, tmp_path)
    assert set(host.paths()) >= set(host.files)


def test_a_damaged_cache_is_filled_anew(host: Host, tmp_path: Path, expected: list[str]) -> None:
    collect(host.url + DOCS, tmp_path)
    for file in tmp_path.rglob("*.body"):
        file.write_bytes(b"half of a pa")
    assert contents(collect(host.url + DOCS, tmp_path)) == expected


def test_a_host_that_is_gone_ends_the_run(host: Host, tmp_path: Path) -> None:
    host.close()
    with pytest.raises(SourceError, match="run it again"):
        collect(host.url + DOCS, tmp_path)


def test_a_host_that_breaks_down_ends_the_run_which_goes_on_later(
    host: Host, tmp_path: Path, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("curation.collectors.site._FAULTS", 2)
    for name in ("faq", "index", "reference", "tutorial"):
        host.first[DOCS + f"{name}.html"] = [respond(503)] * 5
    with pytest.raises(SourceError, match="goes on where it ended"):
        collect(host.url + DOCS, tmp_path)
    host.first.clear()
    assert contents(collect(host.url + DOCS, tmp_path)) == expected
    assert Counter(host.paths())[DOCS + "objects.inv"] == 1


def test_what_is_no_sphinx_site_is_one_line(host: Host, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="start page of a site that Sphinx built"):
        collect(host.url + "/nothing/", tmp_path)


# Archives by address


def packed(folder: str, prefix: str = "weir-stable/") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for path in sorted((PAGES / folder).iterdir()):
            file.writestr(prefix + path.name, path.read_bytes())
    return buffer.getvalue()


def test_a_broken_off_download_goes_on(host: Host, tmp_path: Path, expected: list[str]) -> None:
    content = packed("furo")
    host.files["/d.zip"] = content
    host.first["/d.zip"] = [break_off(content, f'"{hash(content)}"')]
    with pytest.raises(SourceError, match="run it again later to go on"):
        collect(host.url + "/d.zip", tmp_path)
    assert contents(collect(host.url + "/d.zip", tmp_path)) == expected
    assert int(host.asked[1][1]["Range"].removeprefix("bytes=").removesuffix("-")) > 0
    assert contents(collect(host.url + "/d.zip", tmp_path)) == expected
    assert "If-None-Match" in host.asked[2][1] and len(host.asked) == 3


def test_a_download_that_has_changed_begins_anew(host: Host, tmp_path: Path, expected: list[str]) -> None:
    content = packed("furo")
    host.files["/d.zip"] = content
    host.first["/d.zip"] = [break_off(b"x" * 1000, '"older"')]
    with pytest.raises(SourceError):
        collect(host.url + "/d.zip", tmp_path)
    assert contents(collect(host.url + "/d.zip", tmp_path)) == expected


def test_a_download_is_bounded(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "MAX_BYTES", 10_000)
    host.files["/d.zip"] = packed("furo")
    with pytest.raises(SourceError, match="more than"):
        collect(host.url + "/d.zip", tmp_path)


# Read the Docs


def read_the_docs(host: Host, tmp_path: Path, **settings: object) -> list[Entry | Dropped]:
    source = ReadTheDocsSource.model_validate({"slug": "weir", "packages": ["weir"], "host": host.url, **settings})
    return list(ReadTheDocsCollector(source, tmp_path, tmp_path / "cache").collect())


def version(host: Host, downloads: object) -> None:
    """Answer as version 3 of the API does."""
    value = {"slug": "stable", "verbose_name": "stable", "built": True, "active": True, "downloads": downloads}
    host.files["/api/v3/projects/weir/versions/stable/"] = json.dumps(value).encode()


def test_a_project_on_read_the_docs(host: Host, tmp_path: Path, expected: list[str]) -> None:
    host.files["/_/downloads/htmlzip/weir/stable/"] = packed("single")
    version(host, {"pdf": "x", "htmlzip": f"{host.url}/_/downloads/htmlzip/weir/stable/"})
    entries = read_the_docs(host, tmp_path)
    assert {one.origin.source for one in entries if not isinstance(one, Dropped)} == {"readthedocs"}
    assert {one.origin.version for one in entries if not isinstance(one, Dropped)} == {"1.2.3"}
    kinds = ('"type":"api"', '"type":"question"')
    assert [one for one in contents(entries) if any(kind in one for kind in kinds)] == [
        one for one in expected if any(kind in one for kind in kinds)
    ]


@pytest.mark.parametrize(
    ("downloads", "words"),
    [
        ({}, "offers no HTML"),
        (None, "offers no HTML"),
        ({"htmlzip": 7}, "offers no HTML"),
        ({"htmlzip": "file:///etc/passwd"}, "isn't safe"),
        ({"htmlzip": "/nothing"}, "status 404"),
    ],
)
def test_a_project_without_html(host: Host, tmp_path: Path, downloads: object, words: str) -> None:
    version(host, downloads)
    with pytest.raises(SourceError, match=words):
        read_the_docs(host, tmp_path)


def test_a_project_that_is_not_there(host: Host, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="look at `slug`"):
        read_the_docs(host, tmp_path, slug="nothing")
    with pytest.raises(SourceError, match="no name on Read the Docs"):
        read_the_docs(host, tmp_path, slug="../../admin")
