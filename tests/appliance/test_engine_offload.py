"""The offload plan: its sums against what llama.cpp reports, what fits, and a GPU build without a GPU."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

import llama_cpp.llama_cpp as native
import pytest

from appliance.engine import native_log, weights
from appliance.engine.context import Context
from appliance.engine.engine import Engine
from appliance.engine.expert import Expert
from appliance.engine.model import Model
from appliance.engine.offload import KV_BYTES, SPARE, Shape, kv_bytes, plan, shape_of
from appliance.settings import ApplianceSettings, KvType
from bundle.errors import BundleError, ServerError

from .asked import Asked, greedy

SHAPE = Shape(layers=(100_000_000,) * 32, output=400_000_000, embeddings=300_000_000, values=2048)
CELLS = 8192


@pytest.mark.parametrize("kv", ["F16", "Q8_0", "Q4_0"])
def test_the_sums_are_those_that_llama_cpp_reports(gguf: Path, kv: KvType, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = []

    @native.llama_log_callback
    def callback(_level: int, text: bytes | None, _data: ctypes.c_void_p) -> None:
        lines.append((text or b"").decode())

    def listen() -> None:
        native.llama_log_set(callback, ctypes.c_void_p(0))

    with monkeypatch.context() as patched:
        patched.setattr(native_log, "silence", listen)
        model = Model(gguf, 0)
        Context(model, sequences=2, cells=1024, outputs=2, threads=1, shared=False, kv_type=kv).close()
    native_log.silence()
    reported = {
        name: float(size) for name, size in re.findall(r"CPU\w* (model|KV) buffer size = +([\d.]+) MiB", "".join(lines))
    }
    shape = shape_of(gguf)
    found = plan(shape, "auto", 1024, kv, 0)
    assert found.layers == 0
    assert kv_bytes(shape, 1024, kv) / 2**20 == pytest.approx(reported["KV"], abs=0.01)
    assert (found.processor - found.memory) / 2**20 == pytest.approx(reported["model"], rel=0.001)


def test_answers_come_from_a_memory_of_fewer_bits(gguf: Path) -> None:
    model = Model(gguf, 0)
    prompt = tuple(model.tokenize("def add(a, b):\n    return a"))
    texts = {}
    for kv in KV_BYTES:
        engine = Engine(model, slots=1, context=256, queue_limit=1, threads=2, kv_type=kv)
        asked = Asked(engine, greedy(prompt, 3))
        asked.finished()
        engine.close()
        texts[kv] = asked.text
    assert texts["Q8_0"] == texts["F16"]
    assert texts["Q4_0"]


def test_a_model_whose_heads_are_too_short_for_it_is_one_line(tiny: Model) -> None:
    with pytest.raises(ServerError, match="block size 32 does not divide"):
        Engine(tiny, slots=1, context=256, queue_limit=1, threads=1, kv_type="Q4_0")


def test_auto_takes_what_fits_and_no_more() -> None:
    whole = plan(SHAPE, "all", CELLS, "F16", 10**12)
    assert (whole.layers, whole.of, whole.fits) == (33, 33, True)
    assert whole.gpu == 3_600_000_000 + kv_bytes(SHAPE, CELLS, "F16")
    assert whole.processor == SHAPE.embeddings
    part = plan(SHAPE, "auto", CELLS, "F16", 3_000_000_000)
    assert 0 < part.layers < 33
    assert part.gpu + SPARE <= 3_000_000_000
    assert not plan(SHAPE, part.layers + 1, CELLS, "F16", 3_000_000_000).fits
    assert part.gpu + part.processor == whole.gpu + whole.processor
    assert plan(SHAPE, "auto", CELLS, "Q4_0", 3_000_000_000).layers > part.layers
    assert plan(SHAPE, "auto", CELLS, "F16", SPARE).layers == 0


def test_what_is_asked_for_is_planned_whether_it_fits_or_not() -> None:
    assert plan(SHAPE, "none", CELLS, "F16", 10**12).layers == 0
    assert plan(SHAPE, 7, CELLS, "F16", 10**12).layers == 7
    assert plan(SHAPE, 99, CELLS, "F16", 10**12).layers == 33
    tight = plan(SHAPE, "all", CELLS, "F16", 10**9)
    assert not tight.fits
    assert "doesn't fit" in tight.describe()
    assert plan(SHAPE, "all", CELLS, "F16", 0).layers == 0


def test_tied_embeddings_are_on_both_sides() -> None:
    tied = Shape(SHAPE.layers, output=300_000_000, embeddings=300_000_000, values=2048)
    assert plan(tied, "none", CELLS, "F16", 10**12).processor == 3_500_000_000 + kv_bytes(tied, CELLS, "F16")
    whole = plan(tied, "all", CELLS, "F16", 10**12)
    assert whole.processor == 300_000_000
    assert whole.gpu == 3_500_000_000 + kv_bytes(tied, CELLS, "F16")


def test_a_file_that_is_no_gguf_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"GGUF" + bytes(20))
    with pytest.raises(BundleError, match=r"x\.gguf"):
        shape_of(tmp_path / "x.gguf")


def test_a_gpu_build_that_finds_no_gpu_is_an_error_unless_allowed(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "idle_backends", lambda devices: ["CUDA"])
    with pytest.raises(ServerError, match="built for CUDA but finds no such device"):
        Expert(bundle, ApplianceSettings(context=512), tmp_path)
    for allowed in (ApplianceSettings(context=512, allow_cpu=True), ApplianceSettings(context=512, gpu_layers="none")):
        with Expert(bundle, allowed, tmp_path) as served:
            assert served.backend == "CPU"
            assert served.offload is None
