"""compose.yaml, brought up by a Docker Engine as it is, with the demo's bundle: each profile that needs no card.

Other people's images are named by variables: CADDY_IMAGE, PROMETHEUS_IMAGE and LLAMA_IMAGE, whose defaults here are the
stand-ins of stand-ins.Dockerfile. What lacks an image, an engine or a bundle is skipped. Grafana has no stand-in.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.containers.conftest import OWNER, ROOT, TRAINING, docker, done, give, need

CADDY = os.environ.get("CADDY_IMAGE", "boffin-test-caddy")
PROMETHEUS = os.environ.get("PROMETHEUS_IMAGE", "boffin-test-prometheus")
LLAMA = os.environ.get("LLAMA_IMAGE", "boffin-test-llama")
QUESTION = [{"role": "user", "content": "How do I parse JSON in Python?"}]


@dataclass
class Compose:
    """`docker compose` with a project name and variables of its own."""

    name: str
    variables: Mapping[str, str]
    files: tuple[str, ...] = ("compose.yaml",)

    def __call__(self, *arguments: str) -> str:
        files = [part for file in self.files for part in ("--file", file)]
        return done(docker("compose", "--project-name", self.name, *files, *arguments, environment=self.variables))

    def containers(self, service: str) -> list[str]:
        return self("--profile", "*", "ps", "--quiet", service).split()


@pytest.fixture
def compose() -> Iterator[Callable[..., Compose]]:
    """Makes a `Compose`; what it has started is gone at the end."""
    made: list[Compose] = []

    def make(variables: Mapping[str, str], *files: str) -> Compose:
        owner = {"OWNER": f"{OWNER[0]}:{OWNER[1]}"}
        name = f"boffin-test-{os.getpid()}-{len(made)}"
        made.append(Compose(name, {**owner, **variables}, ("compose.yaml", *files)))
        return made[-1]

    yield make
    for each in made:
        each("--profile", "*", "down", "--volumes", "--timeout", "5")


def _free_ports(count: int) -> list[str]:
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [str(each.getsockname()[1]) for each in taken]
    for each in taken:
        each.close()
    return ports


def _keys(folder: Path, name: str) -> str:
    command = [sys.executable, "-m", "boffin", "keys", "add", name, "--file", str(folder / "keys.json")]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout.strip()


def _client(port: str, key: str = "none", retries: int = 2) -> openai.OpenAI:
    http = httpx.Client(trust_env=False, timeout=120)
    return openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=key, max_retries=retries, http_client=http)


def _ask(client: openai.OpenAI, max_tokens: int = 24, question: str = "") -> str:
    messages: Any = [{"role": "user", "content": question}] if question else QUESTION
    model = client.models.list().data[0].id
    answer = client.chat.completions.create(model=model, messages=messages, max_tokens=max_tokens)
    return answer.choices[0].message.content or ""


@pytest.mark.parametrize("profile", ["train", "appliance", "cuda", "scale", "monitoring", "llama", "vllm"])
def test_a_profile_is_understood(profile: str) -> None:
    need()
    if docker("compose", "version").returncode:
        pytest.skip("there is no docker compose")
    told = json.loads(done(docker("compose", "--profile", profile, "config", "--format", "json")))
    assert told["services"]


def test_one_appliance_answers_on_loopback_and_ends_with_zero(
    compose: Callable[..., Compose], pocket_bundle: Path
) -> None:
    need("boffin-appliance")
    (port,) = _free_ports(1)
    up = compose({"BUNDLE": str(pocket_bundle), "PORT": port})
    up("--profile", "appliance", "up", "--no-build", "--wait")
    assert _ask(_client(port))
    (name,) = up.containers("appliance")
    up("--profile", "appliance", "stop")
    state = json.loads(done(docker("inspect", "--format", "{{json .State}}", name)))
    assert (state["ExitCode"], state["OOMKilled"]) == (0, False)


def test_the_readmes_command_brings_it_up(pocket_bundle: Path) -> None:
    need("boffin-appliance")
    (port,) = _free_ports(1)
    readme = (ROOT / "README.md").read_text().splitlines()
    line = next(each for each in readme if "docker compose" in each)
    assert "./my-expert/workspace/bundle" in line
    command = line.replace("./my-expert/workspace/bundle", str(pocket_bundle))
    variables = {**os.environ, "COMPOSE_PROJECT_NAME": f"boffin-readme-{os.getpid()}", "PORT": port}
    try:
        subprocess.run(["sh", "-c", command], cwd=ROOT, env=variables, check=True)
        assert _ask(_client(port))
    finally:
        docker("compose", "--profile", "appliance", "down", environment=variables)


@pytest.fixture
def secrets(tmp_path: Path) -> dict[str, str]:
    """A file of keys, one of them for metrics; nobody but the owner can read them. `alice` is the other's text."""
    alice = _keys(tmp_path, "alice")
    (tmp_path / "metrics.key").write_text(_keys(tmp_path, "metrics"))
    for path in tmp_path.iterdir():
        path.chmod(0o600)
    give(tmp_path)
    return {"KEYS": str(tmp_path / "keys.json"), "METRICS_KEY": str(tmp_path / "metrics.key"), "alice": alice}


def test_three_replicas_lose_one_under_load_and_no_request(
    compose: Callable[..., Compose], pocket_bundle: Path, secrets: dict[str, str]
) -> None:
    need("boffin-appliance", CADDY)
    (port,) = _free_ports(1)
    up = compose({"BUNDLE": str(pocket_bundle), "PORT": port, "CADDY_IMAGE": CADDY, "MEMORY": "1g", **secrets})
    up("--profile", "scale", "up", "--no-build", "--wait")
    with pytest.raises(openai.AuthenticationError):
        _ask(_client(port, "wrong"))

    answers: list[str] = []
    failures: list[Exception] = []
    until = time.monotonic() + 30

    def load(number: int) -> None:
        client, turn = _client(port, secrets["alice"]), 0
        while time.monotonic() < until:
            turn += 1
            try:
                answers.append(_ask(client, question=f"What is {number} times {turn}?"))
            except openai.OpenAIError as error:
                failures.append(error)

    threads = [threading.Thread(target=load, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    while len(answers) <= 5 and time.monotonic() < until:
        time.sleep(0.1)
    victim = up.containers("replica")[0]
    before = len(answers)
    process = json.loads(done(docker("inspect", "--format", "{{json .State}}", victim)))["Pid"]
    try:
        os.kill(process, signal.SIGKILL)
    except PermissionError:
        done(docker("kill", victim))
    for thread in threads:
        thread.join()
    assert not failures
    assert before > 5 and len(answers) > before + 10
    # It was killed, and came back.
    assert int(done(docker("inspect", "--format", "{{.RestartCount}}", victim))) == 1
    up("--profile", "scale", "up", "--no-build", "--wait")
    assert len(up.containers("replica")) == 3


def test_the_proxy_gives_each_replica_its_share(
    compose: Callable[..., Compose], pocket_bundle: Path, secrets: dict[str, str]
) -> None:
    need("boffin-appliance", CADDY, PROMETHEUS)
    port, watched = _free_ports(2)
    images = {"CADDY_IMAGE": CADDY, "PROMETHEUS_IMAGE": PROMETHEUS}
    ports = {"PORT": port, "PROMETHEUS_PORT": watched}
    up = compose({"BUNDLE": str(pocket_bundle), "MEMORY": "1g", **ports, **images, **secrets})
    up("--profile", "scale", "--profile", "monitoring", "up", "--no-build", "--wait", "replica", "proxy", "prometheus")
    client = _client(port, secrets["alice"])
    threads = [threading.Thread(target=_ask, args=(client, 48, f"Count to {number}.")) for number in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    def asked(query: str) -> list[float]:
        page = httpx.get(f"http://127.0.0.1:{watched}/api/v1/query", params={"query": query}, trust_env=False)
        return [float(series["value"][1]) for series in page.json()["data"]["result"]]

    # Every curve of the dashboard has something to show, once a rate has two samples.
    board = json.loads((ROOT / "deploy/grafana/boffin.json").read_text())
    curves = {each["expr"] for panel in board["panels"] for each in panel["targets"]}
    deadline = time.monotonic() + 120
    while bare := {curve for curve in curves if not asked(curve)}:
        assert time.monotonic() < deadline, bare
        time.sleep(1)
    # What was asked is seen with the next scrape of each.
    shares = "sum by (instance) (boffin_requests_total)"
    while sum(asked(shares)) < 9:
        assert time.monotonic() < deadline, asked(shares)
        time.sleep(1)
    assert asked('up{job="boffin"}') == [1, 1, 1]
    assert all(count >= 1 for count in asked(shares))
    rules = httpx.get(f"http://127.0.0.1:{watched}/api/v1/rules", trust_env=False).json()["data"]["groups"]
    assert all(rule["health"] != "err" for group in rules for rule in group["rules"])


def test_what_watches_is_sound() -> None:
    need(PROMETHEUS)
    folder = ROOT / "deploy"
    run = ("run", "--rm", "--network", "none", "--volume", f"{folder}:/etc/prometheus:ro", "--entrypoint", "promtool")
    assert "9 rules found" in done(docker(*run, PROMETHEUS, "check", "rules", "/etc/prometheus/rules.yml"))
    # The key is compose's to bring.
    config = docker(*run, PROMETHEUS, "check", "config", "--syntax-only", "/etc/prometheus/prometheus.yml")
    assert config.returncode == 0, config.stderr


def test_the_same_file_answers_under_llama_cpps_own_server(
    compose: Callable[..., Compose], pocket_bundle: Path
) -> None:
    need(LLAMA)
    (port,) = _free_ports(1)
    model = json.loads((pocket_bundle / "manifest.json").read_text())["models"][0]["file"]
    up = compose({"BUNDLE": str(pocket_bundle), "PORT": port, "LLAMA_IMAGE": LLAMA, "MODEL": model})
    up("--profile", "llama", "up", "--wait")
    assert _ask(_client(port))


def test_train_curates_trains_and_converts_in_turn(
    compose: Callable[..., Compose], make_base: Callable[..., Path], tmp_path: Path
) -> None:
    need("boffin-trainer", "boffin-convert")
    (tmp_path / "boffin.toml").write_text(TRAINING)
    shutil.copytree(make_base(), tmp_path / "base")
    give(tmp_path)
    up = compose({"PROJECT": str(tmp_path)}, "deploy/cpu.yaml")
    up("--profile", "train", "up", "--no-build")
    assert json.loads((tmp_path / "workspace/adapter/summary.json").read_text())["steps"] == 2
    assert (tmp_path / "workspace/bundle/manifest.json").is_file()
