"""Several LoRA adapters on one model: each answers as it does alone, whatever else is answered with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.engine.engine import Engine
from appliance.engine.errors import InvalidRequest
from appliance.engine.model import Model
from appliance.engine.prefixes import PrefixStore
from bundle.errors import BundleError

from .adapters import write_adapter
from .asked import Asked, greedy, some_prompt

PROMPT = some_prompt(3, 60)
NAMES = ("", "first", "second")
SHAPES = {"blk.0.attn_q.weight": (64, 64), "blk.0.ffn_down.weight": (128, 64)}
"""Of the tiny model's first layer."""


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two adapters."""
    folder = tmp_path_factory.mktemp("adapters")
    return {name: write_adapter(folder / f"{name}.gguf", seed, SHAPES) for seed, name in enumerate(NAMES[1:])}


@pytest.fixture
def engine(tiny: Model, adapters: dict[str, Path]) -> Iterator[Engine]:
    """Six slots for a model and two adapters."""
    engine = Engine(tiny, slots=6, context=128, queue_limit=9, threads=1, adapters=adapters)
    yield engine
    engine.close()


def test_answers_of_different_adapters_together_equal_each_alone(
    tiny: Model, adapters: dict[str, Path], engine: Engine
) -> None:
    alone = {}
    for name in NAMES:
        one = Engine(tiny, slots=1, context=128, queue_limit=1, threads=1, adapters=adapters)
        asked = Asked(one, greedy(PROMPT, 20, adapter=name))
        asked.finished()
        alone[name] = asked.text
        one.close()
    assert len(set(alone.values())) == 3
    for order in (NAMES, NAMES[::-1], NAMES * 2):
        together = [(name, Asked(engine, greedy(PROMPT, 20, adapter=name))) for name in order]
        for name, asked in together:
            asked.finished()
            assert asked.text == alone[name]


def test_adapters_share_no_memory(engine: Engine) -> None:
    for name in NAMES:
        assert Asked(engine, greedy(PROMPT, 1, adapter=name)).finished().timings.cache_n == 0
        assert Asked(engine, greedy(PROMPT, 1, adapter=name)).finished().timings.cache_n == len(PROMPT) - 1


def test_adapters_share_no_prefix_on_disk(tiny: Model, adapters: dict[str, Path], tmp_path: Path) -> None:
    for restored in (0, 48):
        prefixes = PrefixStore(tmp_path, "stamp", 10_000_000)
        engine = Engine(tiny, slots=2, context=128, queue_limit=9, threads=1, adapters=adapters, prefixes=prefixes)
        for name in NAMES[:2]:
            for ending in (1000, 2000):
                Asked(engine, greedy((*PROMPT, ending), 1, adapter=name)).finished()
            if prefixes._writing is not None:
                prefixes._writing.result()
        assert Asked(engine, greedy(PROMPT, 1, adapter="second")).finished().timings.cache_n == 0
        assert engine.stats().restored_tokens == 2 * restored
        engine.close()
        prefixes.close()


def test_an_unknown_adapter_is_refused(engine: Engine) -> None:
    with pytest.raises(InvalidRequest, match="no adapter 'third'; there are: first, second"):
        engine.submit(greedy(PROMPT, adapter="third"), lambda event: None)


def test_what_is_no_adapter_is_one_line(tiny: Model, tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(b"no adapter")
    with pytest.raises(BundleError, match=r"x\.gguf: llama\.cpp can't load it") as error:
        Engine(tiny, slots=1, context=128, queue_limit=1, threads=1, adapters={"x": path})
    assert "\n" not in str(error.value)
