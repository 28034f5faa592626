"""The number of threads: measured once, remembered for the machine, not measured where other work runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance.engine import threads
from appliance.engine.measured import MOST, recall, remember
from appliance.engine.model import Model


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(threads, "usable_cores", lambda: 8)
    monkeypatch.setattr(threads, "busy", lambda cores: False)
    monkeypatch.setattr(threads, "measure", lambda model, numbers: {8: 0.03, 6: 0.02, 4: 0.0199})
    return tmp_path / "cache" / "threads.json"


def test_it_is_measured_once_a_machine(tiny: Model, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert threads.threads_for(tiny, "a processor", place) == 6
    monkeypatch.setattr(threads, "measure", lambda model, numbers: {8: 0.01, 6: 0.02, 4: 0.03})
    assert threads.threads_for(tiny, "a processor", place) == 6
    assert threads.threads_for(tiny, "another", place) == 8
    assert json.loads(place.read_bytes()) == {"a processor, 8 cores": 6, "another, 8 cores": 8}


def test_a_file_never_holds_more_than_so_many(tmp_path: Path) -> None:
    place = tmp_path / "threads.json"
    for number in range(MOST + 2):
        remember(place, str(number), number)
        assert recall(place)[str(number)] == number
    assert len(recall(place)) == 2


def test_a_busy_machine_is_not_measured(tiny: Model, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "busy", lambda cores: True)
    assert threads.threads_for(tiny, "a processor", place) == 8
    assert not place.exists()


@pytest.mark.parametrize("written", [b"", b"[1]", b'{"a processor, 8 cores": "6"}', b'{"a processor, 8 cores": -1}'])
def test_what_was_remembered_is_not_trusted_where_it_is_damaged(tiny: Model, place: Path, written: bytes) -> None:
    place.parent.mkdir()
    place.write_bytes(written)
    assert threads.threads_for(tiny, "a processor", place) == 6


def test_where_nothing_can_be_remembered_it_is_measured(tiny: Model, place: Path) -> None:
    place.parent.write_text("a file where the folder should be")
    assert threads.threads_for(tiny, "a processor", place) == 6


def test_a_user_without_a_home_gets_all_cores(tiny: Model, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(_path: Path) -> Path:
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "expanduser", nowhere)
    assert threads.threads_for(tiny, "a processor", place) == 8


def test_what_is_tried_and_what_is_worth_it() -> None:
    assert threads.candidates(2) == [2, 1]
    assert threads.candidates(16) == [16, 12, 8]
    assert threads.fastest({4: 1.0, 2: 0.98}) == 4
    assert threads.fastest({4: 1.0, 2: 0.9}) == 2


def test_the_measure_is_of_real_tokens(tiny: Model) -> None:
    seconds = threads.measure(tiny, [2, 1])
    assert set(seconds) == {1, 2}
    assert all(0 < one < 60 for one in seconds.values())
