"""The doctor's lines: a finding each, a remedy where something is wrong, exit code 1 on a failure."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from boffin import doctor
from boffin.hardware import Card
from boffin.project import Project, open_project

PROJECT = (
    '[project]\nname = "mini"\nbase = "base.gguf"\n\n[[curation.sources]]\nkind = "package"\npackages = ["json"]\n'
)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "boffin.toml").write_text(PROJECT)
    return open_project(tmp_path)


def test_a_sound_machine_has_no_failure(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.examine(project.folder, ["appliance.port=0"]) == 0
    said = capsys.readouterr().out
    assert "project mini" in said and "llama.cpp" in said and "failure" not in said


def test_a_broken_project_is_a_failure(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    (project.folder / "boffin.toml").write_text("[project")
    assert doctor.examine(project.folder, []) == 1
    assert "failure  " in capsys.readouterr().out


def test_a_card_that_is_not_used_is_a_failure(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "nvidia_cards", lambda: [Card("NVIDIA H100", 85_000_000_000)])
    monkeypatch.setattr(
        subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, stdout='[["CPU", "CPU"]]', stderr="")
    )
    (finding,) = doctor.check_backend(project)
    assert finding.state == "failure" and "NVIDIA H100" in finding.what and "make setup" in finding.remedy


def test_a_missing_package_names_its_extra(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = doctor._installed
    monkeypatch.setattr(doctor, "_installed", lambda name: name != "textual" and installed(name))
    (found,) = [finding for finding in doctor.check_packages(project) if finding.state != "ok"]
    assert (found.what, found.remedy) == ("appliance: textual not installed", "pip install 'boffin[appliance]'")


def test_a_port_is_free_or_taken(project: Project) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        taken.settimeout(0)  # it never answers
        port = taken.getsockname()[1]
        busy = open_project(project.folder, [f"appliance.port={port}"])
        assert [finding.state for finding in doctor.check_port(busy)] == ["warning"]
    assert [finding.state for finding in doctor.check_port(busy)] == ["ok"]


@pytest.mark.parametrize(
    ("says", "code", "state", "words"),
    [
        ('{"runc":{}}', 0, "warning", "nvidia-ctk runtime configure"),
        ('{"nvidia":{},"runc":{}}', 0, "ok", "can have A card"),
        ("", 1, "warning", "can't be asked"),
    ],
)
def test_docker_without_a_gpu_runtime_is_told_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, code: int, state: str, words: str
) -> None:
    (tmp_path / "docker").write_text(f"#!/bin/sh\necho '{says}'\nexit {code}\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr(doctor, "nvidia_cards", lambda: [Card("A card", 1)])
    monkeypatch.setattr(doctor, "apple_silicon", lambda: False)
    (finding,) = doctor.check_docker(None)
    assert finding.state == state
    assert words in f"{finding.what} {finding.remedy}"
    monkeypatch.setattr(doctor, "nvidia_cards", list)
    assert list(doctor.check_docker(None)) == []
