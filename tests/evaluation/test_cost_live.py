"""What a running appliance has served, and its price elsewhere."""

from __future__ import annotations

import gzip
import json
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from unittest.mock import patch

import pytest

from appliance.engine.disk import DiskStats
from appliance.engine.stats import EngineStats, Histogram, Timer
from appliance.server.metrics import HttpCounts, exposition
from boffin.cli import main
from bundle.errors import EvaluationError
from evaluation.cost import live
from evaluation.cost.case import Hosted
from evaluation.cost.live import Served, elsewhere, read_metrics
from evaluation.cost.terminal import print_live

NOTHING: Histogram = Timer().histogram()
PRICES = '[[hosted]]\nname = "ours"\nusd_a_request = 0.25\ntaken = 2030-01-01\nsource = "an offer"\n'


def page(answered: int = 8, cached: int = 2) -> str:
    """What an appliance says that started an hour before 1,003,600."""
    engine = EngineStats(
        slots=4,
        busy=0,
        waiting=0,
        queue=8,
        memory=8192,
        memory_used=0,
        memory_promised=0,
        kept=0,
        finished=max(0, answered - 1),
        refused=1,
        cancelled=min(1, answered),
        expired=0,
        failed=0,
        steps=500,
        prompt_tokens=600,
        reused_tokens=300,
        restored_tokens=100,
        generated_tokens=400,
        guessed_tokens=0,
        guessed_right=0,
        first_token=NOTHING,
        between_tokens=NOTHING,
    )
    answers = DiskStats(hits=cached, misses=answered, stored=answered, entries=8, bytes=10, limit=100, broken=False)
    return exposition(engine, HttpCounts(), {"answers": answers}, 1_000_000)


@contextmanager
def serving(
    content: str | bytes | Iterable[bytes], code: int = 200, headers: Mapping[str, str] | None = None
) -> Iterator[tuple[str, list[str | None]]]:
    """An endpoint that answers everything alike, at once or in parts; its URL, and the keys that it was sent."""
    keys: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            keys.append(self.headers["Authorization"])
            self.send_response(code)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            text = content.encode() if isinstance(content, str) else content
            with suppress(ConnectionError):
                for part in [text] if isinstance(text, bytes) else text:
                    self.wfile.write(part)

        def log_message(self, *arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", keys
        finally:
            server.shutdown()
            thread.join()


def boffin(*arguments: str) -> int:
    with patch.object(sys, "argv", ["boffin", "cost", *arguments]), pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_the_appliances_own_page_is_understood() -> None:
    served = read_metrics(page(), 1_003_600)
    assert served and served.hours == 1
    assert (served.answered, served.cached, served.queries) == (8, 2, 10)
    assert (served.prompt_tokens, served.answer_tokens) == (900, 400)


def test_a_hosted_model_would_have_answered_what_the_cache_did() -> None:
    served = read_metrics(page(), 1_003_600)
    assert served
    figure = elsewhere(served, Hosted("theirs", 30, 60, 0.01))
    assert figure.value == pytest.approx((900 * 30 + 400 * 60) / 1e6 * 10 / 8 + 10 * 0.01)
    assert figure.formula == "(900 × $30 + 400 × $60) / 1,000,000 × 10 / 8 + 10 × $0.01"


def test_what_the_cache_answered_alone_has_no_known_worth(capsys: pytest.CaptureFixture[str]) -> None:
    served = Served(hours=1, answered=0, cached=50, prompt_tokens=0, answer_tokens=0)
    figure = elsewhere(served, Hosted("theirs", 30, 60, 0.01))
    assert figure.value is None and "no tokens" in figure.formula
    assert elsewhere(served, Hosted("a request", usd_a_request=0.01)).value == 0.5
    print_live(live.Live("http://x", served, {"theirs": figure}))
    shown = capsys.readouterr().out
    assert "not known" in shown and "never" not in shown and "$0.00" not in shown


def test_nothing_served_costs_nothing() -> None:
    served = read_metrics(page(0, 0), 0)
    assert served and (served.hours, served.queries) == (0, 0)
    assert elsewhere(Served(0, 0, 0, 0, 0), Hosted("theirs", 30, 60, 0.01)).value == 0


@pytest.mark.parametrize("value", ["nan", "+Inf", "-1", "many", "1e300", str(2**63)])
def test_values_that_are_none_are_no_appliances(value: str) -> None:
    text = page().replace("boffin_generated_tokens_total 400", f"boffin_generated_tokens_total {value}")
    assert read_metrics(text, 0) is None


@pytest.mark.parametrize("piece", ["boffin_", "boffin_a{"])
def test_a_line_without_an_end_is_read_once(piece: str) -> None:
    """Tried at each of its places anew, a megabyte would take hours."""
    assert read_metrics(piece * (live.MAX_PAGE // len(piece)), 0) is None


def test_a_page_that_never_ends_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def parts() -> Iterator[bytes]:
        while True:
            time.sleep(0.05)
            yield b"# nothing\n"

    monkeypatch.setattr(live, "SECONDS", 0.3)
    with (
        serving(parts()) as (url, keys),
        pytest.raises(EvaluationError, match="/metrics took over 0 s; see the server's log"),
    ):
        live.look(url, "", [])
    assert len(keys) == 1


def test_a_server_that_asks_for_patience_gets_little() -> None:
    with serving("busy", 503, {"Retry-After": "50"}) as (url, keys), pytest.raises(EvaluationError, match="with 503"):
        live.look(url, "", [])
    assert len(keys) == 1


@pytest.mark.parametrize(
    ("content", "headers", "said"),
    [
        (gzip.compress(page().encode()), {"Content-Encoding": "gzip"}, "encoded as gzip, which nobody asked for"),
        ("x" * (live.MAX_PAGE + 1), {}, "more than 1,000,000 bytes"),
    ],
    ids=["compressed", "too long"],
)
def test_a_page_that_could_be_endless_is_refused(content: str | bytes, headers: dict[str, str], said: str) -> None:
    with serving(content, headers=headers) as (url, _), pytest.raises(EvaluationError, match=said):
        live.look(url, "", [])


def test_the_command_asks_with_the_key_and_the_projects_prices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BOFFIN_API_KEY", "secret")
    (tmp_path / "mine.toml").write_text(PRICES)
    with serving(page()) as (url, keys):
        assert boffin("--live", url, "--prices", str(tmp_path / "mine.toml")) == 0
        shown = capsys.readouterr().out
        assert "10 answers" in shown and "2 of them from the cache" in shown and "$2.50" in shown
        assert boffin("--live", url, "--prices", str(tmp_path / "mine.toml"), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["elsewhere"]["ours"]["value"] == 2.5 and found["served"]["prompt_tokens"] == 900
    assert keys == ["Bearer secret"] * 2


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [("hello\n", 200, "aren't those of `boffin serve`"), ("no\x1b[31m", 401, "look at its key")],
)
def test_what_is_no_appliance_is_told_in_a_line(
    text: str, code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(text, code) as (url, _):
        assert boffin("--live", url) == 1
    said = capsys.readouterr().err
    assert told in said and said.count("\n") == 1 and "\x1b" not in said


@pytest.mark.parametrize("more", [["--rent", "2"], ["--set", "evaluation.cost.idle_share=0"], ["--svg", "x.svg"]])
def test_it_takes_no_other_inputs(more: list[str]) -> None:
    assert boffin("--live", "http://127.0.0.1:9", *more) == 2
