"""Merging: equal to the unmerged adapter, and an adapter that doesn't fit is refused with one line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import LlamaForCausalLM

from bundle.errors import ConvertError
from convert.merge import merge

from .conftest import save_adapter

MERGE = """
import sys
from pathlib import Path
from convert.merge import merge
merge(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), "float16")
print(sorted({"transformers", "peft", "accelerate"} & set(sys.modules)))
"""
PROMPT = torch.tensor([[1, 4093, 198, 3725, 42, 2]])


@pytest.mark.parametrize(
    "targets",
    [["q_proj", "gate_proj"], ["q_proj", "lm_head"], ["embed_tokens"]],
    ids=["layers", "head of tied embeddings", "tied embeddings"],
)
def test_merged_equals_unmerged(base: Path, tmp_path: Path, targets: list[str]) -> None:
    adapter = tmp_path / "adapter"
    save_adapter(LlamaForCausalLM.from_pretrained(base), adapter, targets)
    merge(base, adapter, tmp_path / "merged", "float32")
    with torch.no_grad():
        plain = LlamaForCausalLM.from_pretrained(base)
        untrained = plain(PROMPT).logits
        unmerged = PeftModel.from_pretrained(plain, adapter)(PROMPT).logits
        merged = LlamaForCausalLM.from_pretrained(tmp_path / "merged")(PROMPT).logits
    torch.testing.assert_close(merged, unmerged, rtol=1e-3, atol=1e-3)
    assert (unmerged - untrained).abs().max() > 1


def test_no_model_is_built(base: Path, adapter: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", MERGE, str(base), str(adapter), str(tmp_path / "merged")]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() == "[]"


def test_an_adapter_of_another_base_is_refused(make_base: Callable[..., Path], adapter: Path, tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match=r"doesn't belong to this base model.*mismatch") as caught:
        merge(make_base(hidden=32), adapter, tmp_path, "float16")
    assert "\n" not in str(caught.value)


def _change(adapter: Path, out: Path, change: Callable[[dict[str, torch.Tensor], str], object]) -> Path:
    """A copy of the adapter with one tensor changed."""
    out.mkdir()
    (out / "adapter_config.json").write_bytes((adapter / "adapter_config.json").read_bytes())
    weights = load_file(adapter / "adapter_model.safetensors")
    change(weights, next(iter(weights)))
    save_file(weights, out / "adapter_model.safetensors")
    return out


def _rename(weights: dict[str, torch.Tensor], name: str) -> None:
    weights[name.replace("layers.0", "layers.7")] = weights.pop(name)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda weights, name: weights[name].fill_(float("nan")), "no numbers"),
        (_rename, r"no match for .*layers\.7"),
        (lambda weights, name: weights.pop(name), "no match for"),
        (lambda weights, name: weights[name].fill_(1e30), "not finite in float16"),
    ],
    ids=["nan", "unknown layer", "missing tensor", "overflow"],
)
def test_a_damaged_adapter_is_refused(
    base: Path, adapter: Path, tmp_path: Path, change: Callable[..., object], says: str
) -> None:
    with pytest.raises(ConvertError, match=says) as caught:
        merge(base, _change(adapter, tmp_path / "adapter", change), tmp_path / "merged", "float16")
    assert "\n" not in str(caught.value)


def test_a_truncated_adapter_is_refused(base: Path, adapter: Path, tmp_path: Path) -> None:
    damaged = _change(adapter, tmp_path / "adapter", lambda weights, name: None)
    path = damaged / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ConvertError, match="damaged"):
        merge(base, damaged, tmp_path / "merged", "float16")


def test_a_missing_adapter_is_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match="boffin train"):
        merge(base, tmp_path, tmp_path / "merged", "float16")


def test_a_quantised_base_is_refused(make_base: Callable[..., Path], adapter: Path, tmp_path: Path) -> None:
    base = make_base()
    config = (base / "config.json").read_text()
    (base / "config.json").write_text(config.replace("{", '{"quantization_config": {"quant_method": "x"},', 1))
    with pytest.raises(ConvertError, match="quantised base"):
        merge(base, adapter, tmp_path / "merged", "float16")
