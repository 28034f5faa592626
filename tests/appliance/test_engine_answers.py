"""The disk cache of answers."""

from __future__ import annotations

import pickle
import sqlite3
from dataclasses import replace
from pathlib import Path

import diskcache
import pytest

from appliance.engine.answers import MAX_ANSWER_BYTES, AnswerCache, StoredAnswer
from appliance.engine.request import Finished, GenerationRequest, SamplingParams, Timings

REQUEST = GenerationRequest((1, 2, 3), 16, SamplingParams(0.3, 0.9, 1.1, seed=4), stop=("x",))
ANSWER = StoredAnswer("né\n```python\n```", Finished("stop", 3, 9, Timings(prompt_n=3, predicted_n=9)))


def _open(folder: Path, max_bytes: int = 10_000_000, model: str = "model") -> AnswerCache:
    return AnswerCache(folder, model, max_bytes)


def test_an_answer_comes_back_also_after_a_restart(tmp_path: Path) -> None:
    cache = _open(tmp_path)
    assert cache.get(REQUEST) is None
    cache.put(REQUEST, ANSWER)
    assert cache.get(REQUEST) == ANSWER
    cache.close()
    assert _open(tmp_path).get(REQUEST) == ANSWER


def test_everything_that_changes_an_answer_is_in_its_key(tmp_path: Path) -> None:
    cache = _open(tmp_path)
    cache.put(REQUEST, ANSWER)
    for other in (
        replace(REQUEST, tokens=(1, 2, 4)),
        replace(REQUEST, max_tokens=17),
        replace(REQUEST, stop=()),
        replace(REQUEST, sampling=replace(REQUEST.sampling, seed=None)),
        replace(REQUEST, sampling=replace(REQUEST.sampling, temperature=0.31)),
        replace(REQUEST, sampling=replace(REQUEST.sampling, top_p=0.8)),
        replace(REQUEST, sampling=replace(REQUEST.sampling, repeat_penalty=1.0)),
    ):
        assert cache.get(other) is None
    assert _open(tmp_path, model="other").get(REQUEST) is None


def test_its_size_is_bounded_and_the_least_recently_used_go_first(tmp_path: Path) -> None:
    cache = _open(tmp_path, max_bytes=400_000)
    big = replace(ANSWER, text="x" * 10_000)
    cache.put(REQUEST, big)
    for number in range(100):
        cache.put(replace(REQUEST, tokens=(number,)), big)
        assert cache.get(REQUEST) == big  # in use, so it stays
    assert cache.get(replace(REQUEST, tokens=(0,))) is None
    assert cache.get(replace(REQUEST, tokens=(99,))) == big
    cache.close()
    with sqlite3.connect(tmp_path / "cache.db") as database:
        assert database.execute("SELECT SUM(size) FROM Cache").fetchone()[0] is not None
    assert (tmp_path / "cache.db").stat().st_size < 600_000


def test_huge_answers_are_not_stored(tmp_path: Path) -> None:
    cache = _open(tmp_path)
    cache.put(REQUEST, replace(ANSWER, text="x" * MAX_ANSWER_BYTES))
    assert cache.get(REQUEST) is None


class Trap:
    """An object whose unpickling leaves a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_pickles_are_never_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder, sprung = tmp_path / "cache", tmp_path / "sprung"
    cache = _open(folder)
    cache.put(REQUEST, ANSWER)
    cache.close()
    with sqlite3.connect(folder / "cache.db") as database:
        trap = sqlite3.Binary(pickle.dumps(Trap(sprung)))
        database.execute("UPDATE Cache SET value = ?, mode = ?", (trap, diskcache.core.MODE_PICKLE))
    assert _open(folder).get(REQUEST) is None
    assert not sprung.exists()
    assert "going on without it" in caplog.text


@pytest.mark.parametrize("damage", ["not a database", "no folder"])
def test_a_broken_cache_is_told_once_and_stores_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    folder = tmp_path / "cache"
    if damage == "no folder":
        folder.write_text("a file in its place")
    else:
        folder.mkdir()
        (folder / "cache.db").write_bytes(b"garbage " * 1000)
    cache = _open(folder)
    cache.put(REQUEST, ANSWER)
    assert cache.get(REQUEST) is None
    cache.close()
    assert caplog.text.count("can't be used") == 1


def test_a_damaged_answer_is_not_given(tmp_path: Path) -> None:
    cache = _open(tmp_path)
    cache.put(REQUEST, ANSWER)
    cache.close()
    with sqlite3.connect(tmp_path / "cache.db") as database:
        database.execute("UPDATE Cache SET value = ?", (sqlite3.Binary(b'{"text": 1}'),))
    assert _open(tmp_path).get(REQUEST) is None
