"""`boffin service`: the files that it writes, what it asks of the system's own program, and that they really serve."""

from __future__ import annotations

import plistlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from boffin.service import Service, agent, describe, install, remove, unit
from bundle.errors import SettingsError

ODD = Service("odd", ("/opt/a b/python", "-m", "boffin", "--set=x=50%", 'say "$HOME" \\'), Path("/srv/50% off"), 10)


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home of its own, and stand-ins for the system's programs; the file of what they were asked."""
    log, programs = tmp_path / "asked", tmp_path / "bin"
    programs.mkdir()
    for name in ("systemctl", "launchctl"):
        (programs / name).write_text(f'#!/bin/sh\necho "{name} $@" >> {log}\n[ "$1" != bootout ]\n')
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    yield log


def test_a_unit_is_written_started_and_removed(bundle: Path, asked: Path, tmp_path: Path) -> None:
    service = describe(Path(), ["appliance.port=0"], bundle)
    with patch("platform.system", return_value="Linux"):
        install(service, only_show=False)
        (path,) = (tmp_path / ".config/systemd/user").iterdir()
        assert path.name == f"boffin-{service.name}.service"
        assert path.read_text() == unit(service)
        remove(service)
        assert not path.exists()
        with pytest.raises(SettingsError, match="no such service"):
            remove(service)
    assert [line.split()[2] for line in asked.read_text().splitlines()] == [
        "daemon-reload",
        "enable",
        "restart",
        "disable",
        "daemon-reload",
    ]


def test_an_agent_is_written_started_and_removed(bundle: Path, asked: Path, tmp_path: Path) -> None:
    service = describe(Path(), [], bundle)
    with patch("platform.system", return_value="Darwin"):
        install(service, only_show=False)
        (path,) = (tmp_path / "Library/LaunchAgents").iterdir()
        told = plistlib.loads(path.read_bytes())
        assert told["Label"] == path.stem == f"boffin.{service.name}"
        assert told["ProgramArguments"] == list(service.command)
        assert told["KeepAlive"] == {"SuccessfulExit": False} and told["RunAtLoad"] is True
        remove(service)
        assert not path.exists()
    assert [line.split()[1] for line in asked.read_text().splitlines()] == ["bootout", "bootstrap", "bootout"]


def test_words_of_a_command_line_are_kept_as_they_are() -> None:
    line = next(line for line in unit(ODD).splitlines() if line.startswith("ExecStart="))
    assert line == r'ExecStart="/opt/a b/python" "-m" "boffin" "--set=x=50%%" "say \"$$HOME\" \\"'
    assert "WorkingDirectory=/srv/50%% off" in unit(ODD)
    assert plistlib.loads(agent(ODD).encode())["ProgramArguments"] == list(ODD.command)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd")
def test_systemd_finds_nothing_wrong_with_a_unit(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "boffin-x.service"
    path.write_text(unit(describe(Path(), [], bundle)))
    done = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True, check=False)
    assert path.name not in done.stderr, done.stderr


def test_its_command_begins_to_serve_the_bundle(bundle: Path, tmp_path: Path) -> None:
    service = describe(Path(), ["appliance.port=0"], bundle)
    assert service.command[0] == sys.executable
    with subprocess.Popen(service.command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        assert f"serving {service.name} " in process.stdout.readline()
        process.terminate()


def test_a_system_without_either_is_told(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SettingsError, match=r"there is no \w+ctl here"):
        install(describe(Path(), [], bundle), only_show=False)
