"""The expert without a server, and the digests that it doesn't take again."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from appliance.direct import Direct
from appliance.engine import checked
from appliance.engine.checked import CHECKED, checked_digest
from appliance.settings import ApplianceSettings
from appliance.wire import ContextExceeded, Delta, Done
from bundle.errors import BundleError

QUESTION = [{"role": "user", "content": "What is a list in Python?"}]


def _said(expert: Direct, **options: object) -> tuple[str, Done]:
    *deltas, done = expert.chat(QUESTION, **options)  # type: ignore[arg-type]
    assert isinstance(done, Done)
    return "".join(delta.text for delta in deltas if isinstance(delta, Delta)), done


def test_it_answers_as_a_server_does_and_stores_the_answer(bundle: Path, tmp_path: Path) -> None:
    with Direct(bundle, ApplianceSettings(context=512), tmp_path) as expert:
        assert expert.models() == ["pocket"]
        first, done = _said(expert, temperature=0.0, max_tokens=8)
        assert first
        assert (done.finish_reason, done.cached, done.usage.completion_tokens) == ("length", False, 8)
        assert done.usage.total_tokens == done.usage.prompt_tokens + 8
        again, done = _said(expert, temperature=0.0, max_tokens=8)
        assert (again, done.cached, done.usage.completion_tokens) == (first, True, 8)
        assert _said(expert, temperature=0.0, max_tokens=8, cache=False)[1].cached is False


def test_who_stops_listening_stops_the_answer(bundle: Path, tmp_path: Path) -> None:
    with Direct(bundle, ApplianceSettings(context=512), tmp_path) as expert:
        events = expert.chat(QUESTION, max_tokens=400)
        next(events)
        events.close()
        assert _said(expert, max_tokens=2)[1].finish_reason == "length"


def test_a_conversation_that_is_too_long_is_told_so(bundle: Path, tmp_path: Path) -> None:
    with Direct(bundle, ApplianceSettings(context=256), tmp_path) as expert, pytest.raises(ContextExceeded):
        list(expert.chat([{"role": "user", "content": "word " * 300}]))


def test_a_bundle_that_is_not_the_sealed_one_answers_nothing(bundle: Path, tmp_path: Path) -> None:
    copy = tmp_path / "bundle"
    copy.mkdir()
    for file in bundle.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    (gguf,) = copy.glob("*.gguf")
    with gguf.open("r+b") as handle:
        handle.seek(-1, os.SEEK_END)
        handle.write(b"\xff")
    with Direct(copy, ApplianceSettings(context=512), tmp_path) as expert, pytest.raises(BundleError, match="sealed"):
        expert.models()


@pytest.fixture
def settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that was changed a while ago."""
    file = tmp_path / "file"
    file.write_bytes(b"one")
    now = time.time()
    monkeypatch.setattr(checked.time, "time", lambda: now + 60)
    return file


def test_a_file_is_read_once_while_it_stays_the_same(
    settled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = checked_digest(settled, tmp_path)
    monkeypatch.setattr(checked, "digest_file", lambda path: "read")
    assert checked_digest(settled, tmp_path) == digest
    before = settled.stat()
    settled.write_bytes(b"two")
    os.utime(settled, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert settled.stat().st_size == before.st_size
    assert checked_digest(settled, tmp_path) == "read", "its other time tells"


def test_a_file_that_was_changed_just_now_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"one")
    checked_digest(file, tmp_path)
    assert not (tmp_path / CHECKED).exists()


@pytest.mark.parametrize("written", [b"", b"[]", b"{", b'{"NAME": 1}', b'{"NAME": {"mark": null, "digest": 1}}'])
def test_what_was_noted_is_not_trusted_where_it_is_damaged(settled: Path, tmp_path: Path, written: bytes) -> None:
    digest = checked_digest(settled, tmp_path)
    (tmp_path / CHECKED).write_bytes(written.replace(b"NAME", str(settled).encode()))
    assert checked_digest(settled, tmp_path) == digest
    assert str(settled) in json.loads((tmp_path / CHECKED).read_bytes())


def test_where_nothing_can_be_noted_the_file_is_read(settled: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert checked_digest(settled, tmp_path / "cache") == checked_digest(settled, tmp_path)
