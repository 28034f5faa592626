"""The appliance's image, run under a Docker Engine: it answers without rights, on a read-only file system, and stops.

Skipped where there is no engine, no image (`make images` builds it; APPLIANCE_IMAGE names another) or no bundle.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.conftest import docker, done, need

IMAGE = os.environ.get("APPLIANCE_IMAGE", "boffin-appliance")
MEMORY = 1500 * 2**20
RIGHTS = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")


@pytest.fixture(scope="module")
def container(pocket_bundle: Path) -> Iterator[tuple[str, str]]:
    """A running appliance that has become healthy: its id, and its address."""
    need(IMAGE)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--detach", "--memory", str(MEMORY), "--network", "host", "--env", f"BOFFIN_APPLIANCE__PORT={port}"]
    name = done(docker("run", *options, *RIGHTS, "--volume", f"{pocket_bundle}:/bundle:ro", IMAGE))
    try:
        deadline = time.monotonic() + 120
        while (state := _inspect(name, "State")["Health"]["Status"]) != "healthy":
            assert time.monotonic() < deadline, (state, docker("logs", name).stderr)
            time.sleep(0.5)
        yield name, f"http://127.0.0.1:{port}"
    finally:
        docker("rm", "--force", name)


def _inspect(name: str, part: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(done(docker("inspect", "--format", f"{{{{json .{part}}}}}", name)))
    return found


def _python(name: str, code: str) -> str:
    return done(docker("exec", name, "python", "-c", code))


def test_it_answers_through_curl_within_its_memory(container: tuple[str, str]) -> None:
    name, url = container
    body = {"messages": [{"role": "user", "content": "How do I parse JSON in Python?"}], "max_tokens": 32}
    command = ["curl", "--silent", "--fail", "--noproxy", "*", f"{url}/v1/chat/completions", "--json", json.dumps(body)]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert answer["usage"]["completion_tokens"] > 0 and answer["choices"][0]["message"]["content"]
    places = "[Path('/sys/fs/cgroup/memory.max'), Path('/sys/fs/cgroup/memory/memory.limit_in_bytes')]"
    limit = f"from pathlib import Path; print(next(p.read_text() for p in {places} if p.exists()))"
    assert int(_python(name, limit)) == MEMORY
    assert not _inspect(name, "State")["OOMKilled"]


def test_it_has_no_rights_and_can_write_nothing(container: tuple[str, str]) -> None:
    name, _url = container
    code = "import os; print(os.getuid(), open('/proc/1/status').read().split('CapEff:')[1].split()[0])"
    assert _python(name, code).split() == ["1000", "0000000000000000"]
    for place in ("/opt/boffin/x", "/bundle/x", "/home/x"):
        assert docker("exec", name, "python", "-c", f"open({place!r}, 'w')").returncode


def test_it_calls_nobody(container: tuple[str, str]) -> None:
    name, _url = container
    code = "from boffin.serving_settings import load_appliance_settings; print(load_appliance_settings().offline)"
    assert _python(name, code) == "True"
    asked = docker("exec", name, "boffin", "ask", "--url", "http://203.0.113.1", "Hello?")
    assert asked.returncode and "offline" in asked.stderr


@pytest.mark.skipif(IMAGE != "boffin-appliance", reason="only this one has several")
def test_the_best_of_several_back_ends_is_loaded(container: tuple[str, str]) -> None:
    code = (
        "from pathlib import Path; import llama_cpp; from appliance.engine.backend import loaded_backends;"
        "print(len(list((Path(llama_cpp.__file__).parent / 'lib').glob('libggml-cpu-*.so'))));"
        "loaded_backends();"
        "print([line.split('/')[-1].strip() for line in open('/proc/self/maps') if 'libggml-cpu-' in line][0])"
    )
    number, loaded = _python(container[0], code).split()
    assert int(number) > 4 and loaded.startswith("libggml-cpu-")


def test_it_needs_no_shell(pocket_bundle: Path) -> None:
    need(IMAGE)
    config = json.loads(done(docker("image", "inspect", "--format", "{{json .Config}}", IMAGE)))
    assert config["Entrypoint"] == ["boffin"] and config["Healthcheck"]["Test"][:2] == ["CMD", "python"]
    # With the shells gone, it still checks the bundle and says its version.
    hidden = [part for shell in ("sh", "bash", "dash") for part in ("--volume", f"/dev/null:/usr/bin/{shell}:ro")]
    run = ("run", "--rm", "--network", "none", *RIGHTS, *hidden, "--volume", f"{pocket_bundle}:/bundle:ro", IMAGE)
    assert "all as sealed" in done(docker(*run, "verify", "/bundle"))


def test_what_is_in_it_is_listed(container: tuple[str, str]) -> None:
    code = (
        "import json; from importlib.metadata import distributions; from pathlib import Path;"
        "listed = json.loads(Path('/opt/boffin/sbom.cdx.json').read_text())['components'];"
        "print(json.dumps([sorted((c['name'], c['version']) for c in listed),"
        "sorted((d.name, d.version) for d in distributions())]))"
    )
    listed, installed = json.loads(_python(container[0], code))
    assert listed == installed and len(listed) > 20


def test_sigterm_ends_it_with_zero_within_its_grace(container: tuple[str, str]) -> None:
    name, _url = container
    began = time.monotonic()
    assert docker("stop", "--time", "20", name).returncode == 0
    assert time.monotonic() - began < 20
    state = _inspect(name, "State")
    assert (state["ExitCode"], state["OOMKilled"]) == (0, False)
