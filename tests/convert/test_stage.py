"""The stage as a whole: what is in a bundle, that it is the model that was trained, and what a failure leaves."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import llama_cpp
import numpy as np
import pytest
import torch
from peft import PeftModel
from transformers import AutoTokenizer, LlamaForCausalLM

from bundle.errors import BundleError, ConvertError
from bundle.manifest import MANIFEST, load_manifest, verify
from bundle.stage import silent
from bundle.template import PromptTemplate
from convert.settings import ConvertSettings
from convert.stage import run

from .conftest import Made


@pytest.fixture
def without_amx(monkeypatch: pytest.MonkeyPatch) -> None:
    """Built by GCC 12 or older, llama.cpp's AMX code crashes at the first matrix."""

    def parameters() -> llama_cpp.llama_model_params:
        changed = default()
        changed.use_extra_bufts = False
        return changed

    default = llama_cpp.llama_model_default_params
    monkeypatch.setattr("llama_cpp.llama_cpp.llama_model_default_params", parameters)


def logits_of(path: Path, tokens: list[int]) -> np.ndarray:
    """Logits after each token, [tokens, vocabulary], as llama.cpp computes them."""
    model = llama_cpp.Llama(str(path), n_ctx=256, logits_all=True, verbose=False)
    model.eval(tokens)
    logits = np.array(model.scores[: len(tokens)])
    model.close()
    return logits


@pytest.mark.usefixtures("without_amx")
def test_the_bundle_is_the_trained_model_and_not_its_base(
    made: Made, base: Path, adapter: Path, template: PromptTemplate
) -> None:
    prompt = template.render([{"role": "user", "content": "How do I sort 3 lists in numpy 2?"}])
    tokens = AutoTokenizer.from_pretrained(base)(prompt, add_special_tokens=False).input_ids
    with torch.no_grad():
        plain = LlamaForCausalLM.from_pretrained(base)
        untrained = plain(torch.tensor([tokens])).logits[0].numpy()
        trained = PeftModel.from_pretrained(plain, adapter)(torch.tensor([tokens])).logits[0].numpy()
    exact, small = logits_of(made.folder / "tiny-F16.gguf", tokens), logits_of(made.folder / "tiny-Q8_0.gguf", tokens)

    assert np.abs(exact - trained).max() < 0.02 * np.abs(trained - untrained).max()
    assert (exact.argmax(axis=1) == trained.argmax(axis=1)).all()
    assert (trained.argmax(axis=1) == untrained.argmax(axis=1)).mean() < 0.5
    assert (small.argmax(axis=1) == trained.argmax(axis=1)).mean() > 0.8


def test_the_manifest_tells_what_is_in_the_bundle(made: Made, template: PromptTemplate, dataset: Path) -> None:
    manifest = verify(made.folder)
    assert {model.quantisation for model in manifest.models} == {"Q8_0", "F16", "Q4_0"}
    ggufs = {f"tiny-{model.quantisation}.gguf" for model in manifest.models}
    assert set(manifest.files) == {*ggufs, "documentation.sqlite", "imatrix.gguf", "quantisations.svg", "symbols.json"}
    assert sorted(file.name for file in made.folder.iterdir()) == sorted([*manifest.files, MANIFEST])
    assert manifest.template == template
    assert manifest.licences == {"base": "apache-2.0", "numpy": "BSD-3-Clause", "requests": "Apache-2.0"}
    assert manifest.dataset_digest and manifest.adapter_digest
    for name in ("symbols.json", "documentation.sqlite"):
        assert (made.folder / name).read_bytes() == (dataset / name).read_bytes()
    assert all(model.bytes == (made.folder / model.file).stat().st_size for model in manifest.models)
    assert "tiny-Q4_0.gguf" in made.result.went_out


def test_a_gguf_file_says_what_it_is(made: Made, template: PromptTemplate) -> None:
    model = llama_cpp.Llama(str(made.folder / "tiny-Q4_0.gguf"), vocab_only=True, verbose=False)
    told = model.metadata
    model.close()
    assert told["general.name"] == "tiny"
    assert told["general.license"] == "apache-2.0"
    assert told["general.base_model.0.name"] == "org/tiny"
    assert told["general.base_model.0.organization"] == "org"
    assert told["general.base_model.0.version"] == "abc"
    manifest = load_manifest(made.folder)
    assert told["general.version"] == manifest.adapter_digest[:12]
    assert told["general.dataset.0.version"] == manifest.dataset_digest
    assert "merged in float16" in told["general.description"] and manifest.llama_cpp in told["general.description"]
    assert told["tokenizer.chat_template"] == template.source
    assert told["tokenizer.ggml.eos_token_id"] == "2"


def test_the_manifest_comes_last(made: Made) -> None:
    assert made.seen[-1][0] == "Sealing the bundle"
    assert not any(complete for _, complete in made.seen)


@pytest.mark.parametrize("file", ["tiny-Q8_0.gguf", "symbols.json"])
def test_a_flipped_byte_is_found(made: Made, tmp_path: Path, file: str) -> None:
    copy = shutil.copytree(made.folder, tmp_path / "copy")
    with (copy / file).open("r+b") as handle:
        handle.seek(-3, 2)
        byte = handle.read(1)[0]
        handle.seek(-3, 2)
        handle.write(bytes([byte ^ 1]))
    with pytest.raises(BundleError, match=file):
        verify(copy)


def test_a_base_of_its_own_needs_neither_adapter_nor_dataset(
    base: Path, template: PromptTemplate, tmp_path: Path
) -> None:
    settings = ConvertSettings(quantisations=("BF16",), merge_dtype="bfloat16")
    run(settings, "tiny-base", "org/tiny", "", base, None, template, None, tmp_path, silent)
    manifest = verify(tmp_path)
    assert manifest.dataset_digest == manifest.adapter_digest == ""
    assert list(manifest.files) == ["tiny-base-BF16.gguf"]


def test_a_failing_converter_is_one_line_and_leaves_no_bundle(
    make_base: Callable[..., Path], template: PromptTemplate, tmp_path: Path
) -> None:
    base = make_base()
    tokenizer = json.loads((base / "tokenizer.json").read_text())
    tokenizer["pre_tokenizer"] = {"type": "Whitespace"}  # llama.cpp knows no such way of splitting text
    (base / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(
        ConvertError, match=r"org/tiny: llama\.cpp's converter can't take this model \(.*pre-tokenizer"
    ) as caught:
        run(ConvertSettings(), "tiny", "org/tiny", "", base, None, template, None, tmp_path, silent)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())
    with pytest.raises(BundleError, match="no bundle here"):
        load_manifest(tmp_path)


@pytest.mark.parametrize(
    ("settings", "name", "says"),
    [
        (ConvertSettings(quantisations=("Q8",)), "tiny", "did you mean 'Q8_0'"),
        (ConvertSettings(), "../tiny", "not a name for files"),
    ],
)
def test_a_wrong_setting_is_one_line(
    base: Path, template: PromptTemplate, tmp_path: Path, settings: ConvertSettings, name: str, says: str
) -> None:
    with pytest.raises(ConvertError, match=says):
        run(settings, name, "org/tiny", "", base, None, template, None, tmp_path, silent)
    assert not list(tmp_path.iterdir())


def test_a_disk_without_room_is_found_before_the_work(
    base: Path, template: PromptTemplate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))
    with pytest.raises(ConvertError, match="1 MB are free"):
        run(ConvertSettings(), "tiny", "org/tiny", "", base, None, template, None, tmp_path, silent)
