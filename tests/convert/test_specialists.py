"""Adapters of single libraries in a bundle: put on the merged expert, each is the model that was trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoTokenizer, LlamaForCausalLM

from bundle.errors import ConvertError
from bundle.manifest import verify
from bundle.stage import silent
from bundle.template import PromptTemplate
from convert.settings import ConvertSettings
from convert.stage import run

from .runtime import logits_of

# In float32: the tests' adapters are so large that rounding to 16 bits would show.
SETTINGS = ConvertSettings(merge_dtype="float32", quantisations=("F16",), free_answers=0)


def specialist(
    base: Path, folder: Path, seed: int, targets: tuple[str, ...] = ("q_proj", "v_proj", "down_proj")
) -> Path:
    """Another adapter on the same base, with a rank and a scale of its own."""
    torch.manual_seed(seed)
    config = LoraConfig(r=6, lora_alpha=4, target_modules=[*targets])
    wrapped = get_peft_model(LlamaForCausalLM.from_pretrained(base), config)
    for name, parameter in wrapped.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    wrapped.save_pretrained(folder)
    return folder


def test_each_makes_of_the_expert_what_was_trained(
    base: Path, adapter: Path, template: PromptTemplate, dataset: Path, tmp_path: Path
) -> None:
    trained = {library: specialist(base, tmp_path / library, seed) for seed, library in enumerate(("numpy", "pandas"))}
    out = tmp_path / "out"
    out.mkdir()
    result = run(SETTINGS, "tiny", "org/tiny", "", base, adapter, template, dataset, out, silent, specialists=trained)
    assert any("2 specialists made and proven" in note for note in result.notes)
    manifest = verify(out)
    assert manifest.specialists == {"numpy": "tiny-numpy.gguf", "pandas": "tiny-pandas.gguf"}
    assert set(manifest.specialists.values()) < set(manifest.files)
    prompt = template.render([{"role": "user", "content": "How do I sort 3 lists in numpy 2?"}])
    tokens = AutoTokenizer.from_pretrained(base)(prompt, add_special_tokens=False).input_ids
    expert = logits_of(out / "tiny-F16.gguf", tokens)
    for library, folder in trained.items():
        with torch.no_grad():
            model = PeftModel.from_pretrained(LlamaForCausalLM.from_pretrained(base), folder)
            expected = model(torch.tensor([tokens])).logits[0].numpy()
        found = logits_of(out / "tiny-F16.gguf", tokens, out / manifest.specialists[library])
        assert np.abs(found - expected).max() < 0.03 * np.abs(expert - expected).max()


def test_one_that_does_not_fit_is_refused_before_anything_is_made(
    base: Path, adapter: Path, template: PromptTemplate, dataset: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    other = {"numpy": specialist(base, tmp_path / "numpy", 1, ("q_proj",))}
    with pytest.raises(ConvertError, match="changes other modules than the expert's adapter"):
        run(SETTINGS, "tiny", "org/tiny", "", base, adapter, template, dataset, out, silent, specialists=other)
    assert not list(out.iterdir())


def test_one_that_is_not_what_was_trained_is_not_sealed(
    base: Path,
    adapter: Path,
    template: PromptTemplate,
    dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    trained = {"numpy": specialist(base, tmp_path / "numpy", 1)}
    # Without the expert's own adapter taken away again it counts twice.
    monkeypatch.setattr("convert.specialists._difference", lambda adapter, folder: _whole(folder))
    with pytest.raises(ConvertError, match="the specialist for numpy: "):
        run(SETTINGS, "tiny", "org/tiny", "", base, adapter, template, dataset, out, silent, specialists=trained)
    assert not (out / "manifest.json").exists()


def _whole(folder: Path) -> dict[str, torch.Tensor]:
    from convert.adapter import read_adapter
    from convert.extras import as_lora

    return as_lora(read_adapter(folder))
