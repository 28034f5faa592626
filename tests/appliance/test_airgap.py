"""The file for a machine without a network: made here, installed and answering in a namespace without a route."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path

import pytest
from gguf import GGUFReader

from boffin.airgap import pack_with_runtime
from boffin.bundles import Named
from boffin.wheels import closure, write_wheel
from bundle.errors import SettingsError
from bundle.template import PromptTemplate

Run = subprocess.CompletedProcess[str]


def _alone(command: str, folder: Path) -> Run:
    """Run a shell's command with nothing of this environment, and no network but loopback."""
    plain = {"PATH": f"{Path(sys.base_prefix) / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(folder)}
    wrapped = ["unshare", "--net", "--map-root-user", "sh", "-c", f"ip link set lo up; {command}"]
    return subprocess.run(wrapped, env=plain, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def unpacked(sealed: Callable[..., Path], gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("air")
    # An archive is checked: the manifest's template has to be the file's.
    source = GGUFReader(gguf).fields["tokenizer.chat_template"].contents()
    template = PromptTemplate(source=source, eos_token="<|im_end|>", system_prompt="You answer briefly.")
    pack_with_runtime(Named(sealed(template=template, template_digest=template.digest)), str(folder), None)
    subprocess.run(["tar", "xf", "pocket-offline.tar"], cwd=folder, check=True)
    return folder / "pocket-offline"


@pytest.fixture
def without_network(tmp_path: Path) -> Callable[[str], Run]:
    if not shutil.which("unshare") or _alone("true", tmp_path).returncode or _alone("ip route", tmp_path).stdout:
        pytest.skip("no namespace for a network can be made here")
    return lambda command: _alone(command, tmp_path)


def test_it_installs_and_answers_without_a_route(unpacked: Path, without_network: Callable[[str], Run]) -> None:
    installed = without_network(f"{unpacked}/install.sh here")
    assert installed.returncode == 0, installed.stderr
    ask = "here/bin/boffin ask --bundle here/bundle --set appliance.sampling.max_tokens=12 Hello </dev/null"
    answer = without_network(ask)
    assert answer.returncode == 0 and answer.stdout.strip(), answer.stderr
    assert "no torch" in without_network("here/bin/python -c 'import torch' || echo no torch").stdout
    again = without_network(f"{unpacked}/install.sh here")
    assert again.returncode == 1 and "is there already" in again.stderr


def test_a_file_that_was_changed_installs_nothing(unpacked: Path, without_network: Callable[[str], Run]) -> None:
    notice = next((unpacked / "licences").rglob("LICENSE*"))
    was = notice.read_bytes()
    notice.write_bytes(was + b"x")
    try:
        run = without_network(f"{unpacked}/install.sh there; ls there")
    finally:
        notice.write_bytes(was)
    assert "damaged or missing" in run.stderr and "No such file" in run.stderr


def test_another_python_is_told_which_one_it_has_to_be(unpacked: Path, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("#!/bin/sh\necho 3.99 Linux x86_64\n")
    (tmp_path / "other").chmod(0o755)
    run = subprocess.run(
        [unpacked / "install.sh", tmp_path / "x"],
        env={**os.environ, "PYTHON": str(tmp_path / "other")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert f"this is for Python {sys.version_info.major}.{sys.version_info.minor}" in run.stderr


def test_the_licences_of_all_come_along(unpacked: Path) -> None:
    kept = {path.name.rpartition("-")[0].lower() for path in (unpacked / "licences").iterdir()}
    assert {"httpx", "uvicorn", "pydantic", "numpy"} <= kept


def test_a_wheel_has_what_is_installed_and_nothing_of_this_machine(tmp_path: Path) -> None:
    wheel = write_wheel(distribution("httpx"), tmp_path)
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        record = archive.read(next(name for name in names if name.endswith("/RECORD"))).decode()
    assert "httpx/__init__.py" in names
    assert not [name for name in names if name.endswith((".pyc", "INSTALLER", "direct_url.json"))]
    assert {line.split(",")[0] for line in record.splitlines()} == set(names)
    assert wheel.read_bytes() == write_wheel(distribution("httpx"), tmp_path).read_bytes()


def test_what_serves_is_closed_and_brings_no_torch() -> None:
    names = {each.metadata["Name"].lower().replace("_", "-") for each in closure("boffin", ["appliance"])}
    assert {"boffin", "llama-cpp-python", "uvicorn", "starlette", "h11", "pydantic-core"} <= names
    assert not names & {"torch", "transformers", "pytest"}
    with pytest.raises(SettingsError, match="not installed"):
        closure("no-such-thing", [])
