"""A bundle on its way into the engine."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.engine.backend import Device, computing_backend, loaded_backends
from appliance.engine.expert import Expert
from appliance.settings import ApplianceSettings
from bundle.errors import BundleError, SettingsError
from bundle.template import PromptTemplate


def test_the_settings_stand_in_for_what_a_request_leaves_out(expert: Expert) -> None:
    request = expert.request((1, 2, 3))
    assert (request.sampling.temperature, request.sampling.top_p, request.sampling.repeat_penalty) == (0.3, 0.9, 1.1)
    assert request.max_tokens == 512 - 3  # what the context leaves of 512
    assert expert.request((1,), temperature=0, max_tokens=0).sampling.temperature == 0


def test_a_changed_file_is_not_loaded(bundle: Path, tmp_path: Path) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(bundle, copy)
    with (copy / "pocket-Q8_0.gguf").open("r+b") as file:
        file.seek(1000)
        file.write(b"\0")
    with pytest.raises(BundleError, match="not the file that was sealed"):
        Expert(copy, ApplianceSettings(), tmp_path)
    (copy / "pocket-Q8_0.gguf").unlink()
    with pytest.raises(BundleError, match="missing from the bundle"):
        Expert(copy, ApplianceSettings(), tmp_path)


def test_a_changed_template_is_not_used(sealed: Callable[..., Path], tmp_path: Path) -> None:
    folder = sealed(template=PromptTemplate(source="{{ messages }}"))
    with pytest.raises(BundleError, match="template is not the one that was sealed"):
        Expert(folder, ApplianceSettings(), tmp_path)


def test_a_truncated_file_is_one_line(gguf: Path, sealed: Callable[..., Path], tmp_path: Path) -> None:
    short = tmp_path / "short.gguf"
    short.write_bytes(gguf.read_bytes()[:1_000_000])
    with pytest.raises(BundleError, match=r"llama\.cpp can't load it \(.+\)") as error:
        Expert(sealed(short), ApplianceSettings(), tmp_path)
    assert "\n" not in str(error.value)


def test_a_context_beyond_the_models_is_refused(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="trained on 8192 tokens"):
        Expert(bundle, ApplianceSettings(context=8193), tmp_path)


def test_a_memory_too_small_for_one_answer_is_refused(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="too little for one answer"):
        Expert(bundle, ApplianceSettings(context=512, memory=511, shared=True), tmp_path)


def test_less_memory_than_the_slots_need_is_only_for_one_that_they_share(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"set appliance\.shared to true"):
        Expert(bundle, ApplianceSettings(context=512, memory=1024), tmp_path)


def test_the_processor_is_always_among_the_devices() -> None:
    devices = loaded_backends()
    processor = next(device for device in devices if device.backend == "CPU")
    assert processor.memory_total >= processor.memory_free > 0
    assert not processor.gpu


def test_the_back_end_is_the_one_that_computes() -> None:
    processor = Device("CPU", "CPU", "x", False, 1, 1)
    card = Device("CUDA0", "CUDA", "x", True, 1, 1)
    assert computing_backend([card, processor], -1) == "CUDA"
    assert computing_backend([card, processor], 0) == "CPU"
    assert computing_backend([processor], -1) == "CPU"
