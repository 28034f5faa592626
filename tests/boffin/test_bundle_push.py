"""`boffin bundle push`: what reaches the hub, that it is a whole bundle there, and each refusal in one line."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from bundle.manifest import CARD, MANIFEST, load_manifest, verify

Run = Callable[..., subprocess.CompletedProcess[str]]
TOKEN = "hf_standin"


@pytest.fixture
def push(with_hub: Run, bundle: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*arguments: str, token: str = TOKEN) -> subprocess.CompletedProcess[str]:
        return with_hub("-m", "boffin", "bundle", "push", *arguments, "--bundle", str(bundle), HF_TOKEN=token)

    return run


def refused(run: subprocess.CompletedProcess[str]) -> str:
    said = [line for line in run.stderr.splitlines() if line.startswith("boffin: ")]
    assert run.returncode == 1 and len(said) == 1 and "Traceback" not in run.stderr, run.stderr
    return said[0]


def test_the_whole_bundle_goes_up_with_its_card(hub: Any, push: Run, bundle: Path, tmp_path: Path) -> None:
    (bundle / ".stamp.json").write_text("{}")
    run = push()
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == [f"Pushed to {hub.address}/me/pocket"]
    assert hub.payloads["create"]["visibility"] == "private"
    files = hub.repositories["me/pocket"].files
    assert set(files) == {CARD, MANIFEST, *load_manifest(bundle).files}
    there = tmp_path / "from-the-hub"
    for name, data in files.items():
        (there / name).parent.mkdir(parents=True, exist_ok=True)
        (there / name).write_bytes(data)
    assert verify(there) == load_manifest(bundle)
    _, metadata, body = files[CARD].decode().split("---\n", 2)
    assert yaml.safe_load(metadata)["library_name"] == "gguf"
    assert "llama-cli -hf me/pocket:Q8_0 -cnv" in body and "ollama run hf.co/me/pocket:Q8_0" in body
    assert str(tmp_path).encode() not in b"".join(files.values())


def test_what_is_not_whole_is_not_pushed(hub: Any, push: Run, bundle: Path) -> None:
    (bundle / "symbols.json").write_text("{'packages': {}}")
    assert "symbols.json: not the file that was sealed" in refused(push())
    assert not hub.repositories and not hub.requests


def test_what_is_public_is_written_to_only_if_that_is_said(hub: Any, push: Run) -> None:
    hub.add("me/shown", {})
    assert "bundle push: me/shown is there already and public; add --public" in refused(push("me/shown"))
    assert not hub.repositories["me/shown"].files
    assert push("--public", "me/shown").returncode == 0
    assert hub.repositories["me/shown"].files


def test_what_the_hub_refuses_is_one_line(push: Run, bundle: Path) -> None:
    assert "bundle push: not logged in" in refused(push(token=""))
    assert "take a token that may write" in refused(push("others/expert"))
    assert "can't be a repository's name" in refused(push("my expert"))
    shutil.rmtree(bundle)
    assert "no bundle here" in refused(push())
