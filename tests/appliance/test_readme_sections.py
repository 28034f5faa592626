"""The README's sections for each kind of machine: what can be run here is run as it stands there."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL))
ORIGIN = "https://docs.example.org"


def _commands(section: str) -> list[list[str]]:
    blocks = re.findall(r"```bash\n(.*?)```", SECTIONS[section], re.DOTALL)
    return [shlex.split(line, comments=True) for block in blocks for line in block.splitlines() if line.strip()]


@pytest.mark.parametrize(
    ("section", "hardware"),
    [("On a workstation with a GPU", "an NVIDIA card"), ("On a Mac", "an M-series Mac"), ("Without a network", "")],
)
def test_a_section_says_what_it_needs(section: str, hardware: str) -> None:
    first = next(line for line in SECTIONS[section].splitlines() if line)
    assert f"Needs {hardware}" in first if hardware else first == "```bash"
    assert _commands(section)


def test_a_docs_server_is_set_up_as_the_readme_says(bundle: Path, tmp_path: Path) -> None:
    def boffin(*arguments: str) -> list[str]:
        return [sys.executable, "-P", "-m", "boffin", *arguments]

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {**os.environ, "BOFFIN_APPLIANCE__PORT": str(port), "BOFFIN_APPLIANCE__CONTEXT": "512"}
    subprocess.run(boffin("init", "my-expert", "--template", "pocket"), cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "my-expert/workspace").mkdir()
    (tmp_path / "my-expert/workspace/bundle").symlink_to(bundle)

    keys, serve, plan = _commands("On a docs server")
    assert {each[0] for each in (keys, serve, plan)} == {"boffin"}
    run: dict[str, Any] = {"cwd": tmp_path, "env": environment, "text": True}
    key = subprocess.run(boffin(*keys[1:]), **run, check=True, capture_output=True).stdout.strip()
    with subprocess.Popen(boffin(*serve[1:]), **run, stdout=subprocess.PIPE) as process:
        try:
            assert f"127.0.0.1:{port}" in process.stdout.readline()
            url = f"http://127.0.0.1:{port}"
            while httpx.get(f"{url}/health", trust_env=False).status_code != 200:
                assert process.poll() is None
            asked = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4}
            headers = {"Authorization": f"Bearer {key}", "Origin": ORIGIN}
            address = f"{url}/v1/chat/completions"
            answer = httpx.post(address, json=asked, headers=headers, timeout=120, trust_env=False)
            assert answer.status_code == 200 and answer.headers["access-control-allow-origin"] == ORIGIN
            assert httpx.post(address, json=asked, trust_env=False).status_code == 401
            assert httpx.get(f"{url}/panel.js", trust_env=False).status_code == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()
    told = subprocess.run(boffin(*plan[1:], "--json"), **run, check=True, capture_output=True).stdout
    assert json.loads(told)["machines"] >= 1
