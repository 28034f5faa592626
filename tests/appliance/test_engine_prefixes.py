"""The disk caches under the engine: prefixes that outlive a restart, bounds, damage."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance.engine.disk import DiskCache
from appliance.engine.engine import Engine
from appliance.engine.model import Model
from appliance.engine.prefixes import PrefixStore
from appliance.engine.stats import EngineStats

from .asked import Asked, greedy, some_prompt

SYSTEM = some_prompt(1, 200)
"""What all prompts begin with; 192 tokens of it are stored."""
PROMPTS = [SYSTEM + some_prompt(seed, 5) for seed in (10, 11, 12)]


@contextmanager
def _engine(model: Model, folder: Path, stamp: str = "stamp", shared: bool = False) -> Iterator[Engine]:
    prefixes = PrefixStore(folder, stamp, 50_000_000)
    engine = Engine(model, slots=2, context=256, queue_limit=4, threads=1, shared=shared, prefixes=prefixes)
    try:
        yield engine
    finally:
        engine.close()
        prefixes.close()


def _ask(
    model: Model, folder: Path, *prompts: tuple[int, ...], stamp: str = "stamp", shared: bool = False
) -> tuple[list[str], EngineStats]:
    with _engine(model, folder, stamp, shared) as engine:
        texts = []
        for prompt in prompts:
            asked = Asked(engine, greedy(prompt, 12))
            asked.finished()
            texts.append(asked.text)
        return texts, engine.stats()


def _files(folder: Path) -> list[Path]:
    return list(folder.rglob("*.val"))


@pytest.mark.parametrize("shared", [False, True])
def test_a_prefix_is_stored_on_its_second_use_and_warm_after_a_restart(
    tiny: Model, tmp_path: Path, shared: bool
) -> None:
    (cold,), _ = _ask(tiny, tmp_path, PROMPTS[0], shared=shared)
    assert _files(tmp_path) == []
    _ask(tiny, tmp_path, PROMPTS[0], PROMPTS[1], shared=shared)
    assert len(_files(tmp_path)) == 1
    (warm,), stats = _ask(tiny, tmp_path, PROMPTS[0], shared=shared)
    assert warm == cold
    assert (stats.restored_tokens, stats.reused_tokens, stats.prompt_tokens) == (192, 192, len(PROMPTS[0]) - 192)


def test_a_prefix_on_disk_is_not_read_where_the_memory_has_it(tiny: Model, tmp_path: Path) -> None:
    _ask(tiny, tmp_path, *PROMPTS[:2])
    texts, stats = _ask(tiny, tmp_path, *PROMPTS)
    assert stats.restored_tokens == 192
    assert stats.reused_tokens == 192 + 200 + 200
    assert texts == [_ask(tiny, tmp_path / "none", prompt)[0][0] for prompt in PROMPTS]


def test_other_models_and_settings_do_not_see_it(tiny: Model, tmp_path: Path) -> None:
    _ask(tiny, tmp_path, *PROMPTS[:2])
    assert _ask(tiny, tmp_path, PROMPTS[2], stamp="other")[1].restored_tokens == 0
    assert _ask(tiny, tmp_path, PROMPTS[2])[1].restored_tokens == 192


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "gone", "zeros"])
def test_damage_costs_no_answer_and_never_reaches_llama_cpp(
    tiny: Model, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    (cold, _), _ = _ask(tiny, tmp_path, *PROMPTS[:2])
    (file,) = _files(tmp_path)
    data = bytearray(file.read_bytes())
    match damage:
        case "cut":
            del data[len(data) // 2 :]
        case "changed":
            data[len(data) // 2] ^= 1
        case "empty":
            data.clear()
        case "zeros":
            data = bytearray(len(data))
    file.write_bytes(data)
    if damage == "gone":
        file.unlink()
    (text,), stats = _ask(tiny, tmp_path, PROMPTS[0])
    assert text == cold
    assert stats.restored_tokens == 0
    assert len([r for r in caplog.records if "damaged" in r.message]) == (damage != "gone")
    assert _files(tmp_path) == []


def test_a_state_of_another_shape_is_not_taken(tiny: Model, tmp_path: Path) -> None:
    prefixes = PrefixStore(tmp_path, "stamp", 50_000_000)
    prefixes.store(PROMPTS[0][:192], "", b"not a state" * 100)
    prefixes.close()
    (text,), stats = _ask(tiny, tmp_path, PROMPTS[0])
    assert stats.restored_tokens == 0
    assert text == _ask(tiny, tmp_path / "none", PROMPTS[0])[0][0]


def test_the_bound_counts_files_and_the_least_recently_used_goes(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, "a cache", 1_000_000)
    piece = os.urandom(200_000)
    for number in range(4):
        cache.put(str(number), piece)
    assert cache.get("0") == piece
    for number in range(4, 7):
        cache.put(str(number), piece)
        assert sum(file.stat().st_size for file in tmp_path.rglob("*") if "-" not in file.name) <= 1_000_000
        assert cache.get("0") == piece
    assert cache.get("1") is None
    cache.put("huge", os.urandom(900_000))
    assert cache.get("huge") is None
    stats = cache.stats()
    assert (stats.hits, stats.misses, stats.stored) == (4, 2, 7)
    assert stats.entries == 4
    assert 800_000 < stats.bytes <= stats.limit == 1_000_000


def test_entries_expire(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, "a cache", 1_000_000)
    cache.put("short", b"x", seconds=-1)
    cache.put("long", b"x", seconds=60)
    assert cache.get("short") is None
    assert cache.get("long") == b"x"


def test_files_outside_the_folder_are_neither_read_nor_removed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret, folder = tmp_path / "secret", tmp_path / "cache"
    secret.write_bytes(b"secret" * 10_000)
    cache = DiskCache(folder, "a cache", 1_000_000)
    cache.put("key", b"x" * 100_000)
    cache.close()
    with sqlite3.connect(folder / "cache.db") as database:
        database.execute("UPDATE Cache SET filename = '../secret'")
    with caplog.at_level(logging.WARNING):
        cache = DiskCache(folder, "a cache", 1_000_000)
        assert cache.get("key") is None
    assert "a cache can't be used" in caplog.text
    other = DiskCache(folder, "a cache", 1_000_000)
    other.remove("key")
    assert secret.exists()


def test_a_locked_cache_is_told_once_and_costs_no_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = DiskCache(tmp_path, "a cache", 1_000_000)
    cache.put("key", b"x")
    with sqlite3.connect(tmp_path / "cache.db", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        cache.put("other", b"x")
        before = time.monotonic()
        for _ in range(5):
            cache.put("other", b"x")
            cache.get("other")
        assert time.monotonic() - before < 1
        other.execute("ROLLBACK")
    assert caplog.text.count("can't be used") == 1
    assert cache.stats().broken
