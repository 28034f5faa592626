"""The server's life: addresses, signals, damaged bundles, a damaged cache."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

QUESTION = {"messages": [{"role": "user", "content": "Count to ten."}], "max_tokens": 8}


def _command(bundle: Path, *options: str) -> list[str]:
    return [sys.executable, "-P", "-m", "appliance.server", "--bundle", str(bundle), "--context=512", *options]


@contextmanager
def _serving(bundle: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server process and the address that it tells."""
    with subprocess.Popen(
        _command(bundle, "--port=0", *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("serving pocket (Q8_0) at http://127.0.0.1:"), process.communicate()[1]
            yield process, line.split()[-1]
        finally:
            process.kill()


def _ready(url: str) -> httpx.Response:
    while (response := httpx.get(f"{url}/health", trust_env=False)).status_code != 200:
        assert response.json()["status"] == "loading"
    return response


def _fails(bundle: Path, *options: str) -> str:
    """The one line on standard error of a server that doesn't start."""
    run = subprocess.run(_command(bundle, *options), capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode != 0
    lines = run.stderr.splitlines()
    assert len(lines) == 1, run.stderr
    return lines[0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_running_answers_finish_and_ends_with_0(bundle: Path, tmp_path: Path, number: int) -> None:
    with _serving(bundle, f"--cache-dir={tmp_path}") as (process, url):
        _ready(url)
        with httpx.stream("POST", f"{url}/v1/chat/completions", json=QUESTION | {"stream": True}, timeout=60) as reply:
            lines = reply.iter_lines()
            next(lines)
            process.send_signal(number)
            rest = list(lines)
        assert "data: [DONE]" in rest
        assert process.wait(30) == 0
        assert process.stderr is not None
        logged = [json.loads(line) for line in process.stderr]
        assert {line["level"] for line in logged} == {"info"}
        asked = next(line for line in logged if line.get("path") == "/v1/chat/completions")
        assert (asked["status"], asked["model"], asked["completion_tokens"]) == (200, "pocket", 8)
        assert "Count" not in str(logged)


def test_a_signal_while_loading_ends_with_0(bundle: Path, tmp_path: Path) -> None:
    with _serving(bundle, f"--cache-dir={tmp_path}") as (process, _url):
        process.terminate()
        assert process.wait(60) == 0


def test_requests_while_loading_are_told_to_come_back(bundle: Path, tmp_path: Path) -> None:
    with _serving(bundle, f"--cache-dir={tmp_path}") as (_process, url):
        early = httpx.post(f"{url}/v1/chat/completions", json=QUESTION | {"max_tokens": 1}, timeout=60)
        if early.status_code != 200:  # unless the machine was faster than this test
            assert early.status_code == 503
            assert early.json()["error"]["code"] == "model_loading"
            assert early.headers["Retry-After"] == "1"
        _ready(url)


def test_a_broken_cache_folder_costs_no_answer(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "answers").write_text("a file in its place")
    with _serving(bundle, f"--cache-dir={tmp_path}") as (process, url):
        _ready(url)
        for _ in range(2):
            reply = httpx.post(f"{url}/v1/chat/completions", json=QUESTION, timeout=60)
            assert (reply.status_code, reply.json()["cached"]) == (200, False)
        process.terminate()
        assert process.stderr is not None
        assert process.stderr.read().count("the answer cache can't be used") == 1


def test_a_taken_port_is_one_line(bundle: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        line = _fails(bundle, f"--port={taken.getsockname()[1]}")
    assert "choose another appliance.port" in line


@pytest.mark.parametrize("host", ["0.0.0.0", "example.org", "192.0.2.1", "::"])
def test_only_loopback_addresses_are_taken(bundle: Path, host: str) -> None:
    assert "use 127.0.0.1" in _fails(bundle, f"--host={host}")


def test_a_truncated_file_is_one_line(gguf: Path, sealed: Callable[..., Path], tmp_path: Path) -> None:
    short = tmp_path / "short.gguf"
    short.write_bytes(gguf.read_bytes()[:1_000_000])
    assert "llama.cpp can't load it" in _fails(sealed(short), "--port=0")


def test_what_is_no_bundle_and_what_are_no_settings_are_one_line_each(bundle: Path, tmp_path: Path) -> None:
    assert "no bundle here" in _fails(tmp_path)
    assert "has no Q3_K" in _fails(bundle, "--quantisation=Q3_K")
    assert "appliance.slots: " in _fails(bundle, "--slots=0")
    assert "appliance.colour: " in _fails(bundle, '--settings={"colour": 1}')


def test_the_server_listens_before_it_imports_llama_cpp() -> None:
    code = "import sys, appliance.server; sys.exit('llama_cpp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
